// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/process.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>

#include "socksify/background.h"

namespace crossgate::socksify {
namespace {

constinit std::atomic<pid_t> self{0};

// Runs when the library is loaded.  Another library's constructor may have used us before: until then
// `self` is 0, and nobody is taken for a child.
[[gnu::constructor]] void start() {
  noteProcess();
  pthread_atfork(nullptr, nullptr, noteProcess);
  watchForks();
}

}  // namespace

bool inVforkChild() noexcept {
  const pid_t known = self.load(std::memory_order_relaxed);
  return known != 0 && known != ::getpid();
}

void noteProcess() noexcept { self.store(::getpid(), std::memory_order_relaxed); }

}  // namespace crossgate::socksify
