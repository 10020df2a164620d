// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/process.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iterator>

#include "socksify/association.h"
#include "socksify/background.h"
#include "socksify/config.h"

namespace crossgate::socksify {
namespace {

constinit std::atomic<pid_t> self{0};

constexpr const char* variableNames[] = {"LD_PRELOAD",      "SOCKSIFY_TABLE",   "SOCKSIFY_CONF",
                                         "SOCKSIFY_DIRECT", "SOCKSIFY_VERBOSE", "SOCKSIFY_RELAY", "SOCKS5_SERVER",
                                         "SOCKS5_USER",     "SOCKS5_PASSWD",    personalConfigVariable};
constinit const char* variables[std::size(variableNames) + 1] = {};

// Copies, because the program may change or clear its environment.  They are kept for good.
void keepVariables() noexcept {
  std::size_t count = 0;
  for (const char* name : variableNames) {
    const char* value = ::secure_getenv(name);
    char* copy = nullptr;
    if (value != nullptr && ::asprintf(&copy, "%s=%s", name, value) >= 0) variables[count++] = copy;
  }
}

// Runs when the library is loaded.  Another library's constructor may have used us before: until then
// `self` is 0, and nobody is taken for a child.
[[gnu::constructor]] void start() {
  noteProcess();
  keepVariables();
  pthread_atfork(nullptr, nullptr, noteProcess);
  watchForks();
  noteInherited();
}

}  // namespace

bool inVforkChild() noexcept {
  const pid_t known = self.load(std::memory_order_relaxed);
  return known != 0 && known != ::getpid();
}

void noteProcess() noexcept { self.store(::getpid(), std::memory_order_relaxed); }

const char* const* ownVariables() noexcept { return variables; }

}  // namespace crossgate::socksify
