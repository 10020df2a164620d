// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/real.h"

#include <dlfcn.h>

namespace crossgate::socksify {

constinit RealCalls realCalls{};
constinit std::atomic<bool> realCallsKnown{false};

// Two threads may both come here first: they store the same values.
void lookUpRealCalls() noexcept {
#define SOCKSIFY_LOOK_UP(name) \
  realCalls.name = reinterpret_cast<decltype(realCalls.name)>(dlsym(RTLD_NEXT, #name));
  SOCKSIFY_REAL_CALLS(SOCKSIFY_LOOK_UP)
#undef SOCKSIFY_LOOK_UP
  realCallsKnown.store(true, std::memory_order_release);
}

}  // namespace crossgate::socksify
