// SPDX-License-Identifier: BSD-2-Clause
// getaddrinfo_a(), gai_suspend() and gai_cancel(): look-ups that go on while the program does something
// else.  The C library's own would ask name servers from inside, past our getaddrinfo().
//
// GAI_NOWAIT answers in a thread of its own, which takes none of the program's signals.  A request's
// state is its __return, as gai_error() reads it.  There is no lock, so that a fork needs no care: the
// child's requests stay in progress, as those of the C library do.
#include <linux/futex.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <memory>
#include <vector>

#include "socksify/cancellation.h"
#include "socksify/gateway_link.h"
#include "socksify/own_thread.h"
#include "socksify/real.h"

namespace crossgate::socksify {
namespace {

// How many requests have ended: gai_suspend() sleeps on it.
constinit std::atomic<std::uint32_t> ended{0};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

long futex(int operation, std::uint32_t value, const timespec* timeout) noexcept {
  return real().syscall(SYS_futex, &ended, operation, value, timeout, nullptr, 0);
}

int stateOf(const gaicb& request) noexcept {
  return std::atomic_ref(const_cast<gaicb&>(request).__return).load(std::memory_order_acquire);
}

void setState(gaicb& request, int state) noexcept {
  std::atomic_ref(request.__return).store(state, std::memory_order_release);
}

void answer(gaicb& request) noexcept {
  const Uncancelled whole;
  addrinfo* result = nullptr;
  const int code = ::getaddrinfo(request.ar_name, request.ar_service, request.ar_request, &result);
  request.ar_result = result;
  setState(request, code);
  ended.fetch_add(1, std::memory_order_release);
  futex(FUTEX_WAKE_PRIVATE, INT_MAX, nullptr);
}

struct Batch {
  std::vector<gaicb*> requests;
  sigevent event{};
};

void notify(const sigevent& event) noexcept {
  if (event.sigev_notify == SIGEV_SIGNAL) {
    siginfo_t info{};
    info.si_signo = event.sigev_signo;
    info.si_code = SI_ASYNCNL;
    info.si_pid = ::getpid();
    info.si_uid = ::getuid();
    info.si_value = event.sigev_value;
    real().syscall(SYS_rt_sigqueueinfo, info.si_pid, info.si_signo, &info);
  } else if (event.sigev_notify == SIGEV_THREAD) {
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, nullptr);
    event.sigev_notify_function(event.sigev_value);
  }
}

void* answerAll(void* argument) {
  const std::unique_ptr<Batch> batch(static_cast<Batch*>(argument));
  for (gaicb* request : batch->requests) answer(*request);
  notify(batch->event);
  return nullptr;
}

int answerLater(std::unique_ptr<Batch> batch) noexcept {
  for (gaicb* request : batch->requests) setState(*request, EAI_INPROGRESS);
  Batch* const given = batch.release();
  if (startOwnThread(answerAll, given)) return 0;
  batch.reset(given);
  for (gaicb* request : batch->requests) setState(*request, EAI_AGAIN);
  return EAI_AGAIN;
}

}  // namespace
}  // namespace crossgate::socksify

using namespace crossgate::socksify;

extern "C" {

int getaddrinfo_a(int mode, gaicb** list, int count, sigevent* event) noexcept {
  if (mode != GAI_WAIT && mode != GAI_NOWAIT) {
    errno = EINVAL;
    return EAI_SYSTEM;
  }
  auto batch = std::make_unique<Batch>();
  std::copy_if(list, list + std::max(count, 0), std::back_inserter(batch->requests),
               [](const gaicb* request) { return request != nullptr; });
  batch->event.sigev_notify = SIGEV_NONE;
  if (event != nullptr) batch->event = *event;
  if (mode == GAI_NOWAIT) return answerLater(std::move(batch));
  for (gaicb* request : batch->requests) answer(*request);
  return 0;
}

// Waits until one of the requests that are in progress has ended.
int gai_suspend(const gaicb* const* list, int count, const timespec* timeout) {
  std::vector<const gaicb*> open;
  std::copy_if(list, list + std::max(count, 0), std::back_inserter(open), [](const gaicb* request) {
    return request != nullptr && stateOf(*request) == EAI_INPROGRESS;
  });
  if (open.empty()) return EAI_ALLDONE;
  auto until = Clock::time_point::max();
  if (timeout != nullptr)
    until = Clock::now() + std::chrono::seconds(timeout->tv_sec) + std::chrono::nanoseconds(timeout->tv_nsec);
  for (;;) {
    const std::uint32_t seen = ended.load(std::memory_order_acquire);
    if (std::any_of(open.begin(), open.end(), [](auto* request) { return stateOf(*request) != EAI_INPROGRESS; }))
      return 0;
    const auto left = until - Clock::now();
    if (left <= Clock::duration::zero()) return EAI_AGAIN;
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    const timespec wait{seconds.count(), (left - seconds).count()};
    if (futex(FUTEX_WAIT_PRIVATE, seen, timeout == nullptr ? nullptr : &wait) != 0 && errno == EINTR)
      return EAI_INTR;
  }
}

// What has begun can't be called back, and every request begins at once.
int gai_cancel(gaicb* request) noexcept {
  return request != nullptr && stateOf(*request) == EAI_INPROGRESS ? EAI_NOTCANCELED : EAI_ALLDONE;
}

}  // extern "C"
