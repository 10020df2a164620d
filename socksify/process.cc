// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/process.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <new>

#include "socksify/association.h"
#include "socksify/background.h"
#include "socksify/config.h"

namespace crossgate::socksify {
namespace {

// Who this memory belongs to.  Once the library is loaded, on a page that every child with a memory of its
// own finds empty, however it was made; a child of vfork() has its parent's.
constinit std::atomic<pid_t> beforeStart{0};
constinit std::atomic<std::atomic<pid_t>*> owner{&beforeStart};

void makeOwnerPage() noexcept {
  const std::size_t size = sizeof(std::atomic<pid_t>);
  void* page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  if (::madvise(page, size, MADV_WIPEONFORK) == 0) owner = new (page) std::atomic<pid_t>(0);
}

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
// the owner is 0, and nobody is taken for a child.
[[gnu::constructor]] void start() {
  makeOwnerPage();
  noteProcess();
  keepVariables();
  pthread_atfork(nullptr, nullptr, noteProcess);
  watchForks();
  noteInherited();
}

}  // namespace

bool inVforkChild() noexcept {
  meetOwnProcess();
  const pid_t known = owner.load()->load(std::memory_order_relaxed);
  return known != 0 && known != ::getpid();
}

void noteProcess() noexcept { owner.load()->store(::getpid(), std::memory_order_relaxed); }

void meetOwnProcess() noexcept {
  std::atomic<pid_t>* const known = owner.load();
  pid_t nobody = 0;
  if (known == &beforeStart || known->load(std::memory_order_relaxed) != 0) return;
  if (known->compare_exchange_strong(nobody, ::getpid())) forgetParent();
}

const char* const* ownVariables() noexcept { return variables; }

}  // namespace crossgate::socksify
