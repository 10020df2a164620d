// SPDX-License-Identifier: BSD-2-Clause
// poll(), select() and epoll_ctl(), as far as pending connections need them (pending.h).
//
// epoll needs no help while it waits, only a note of who was added where.  poll() and select() hold
// the placeholder while they sleep; they wake when it is swapped, and look again at what took its place.
#include <alloca.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "socksify/background.h"
#include "socksify/gateway_link.h"
#include "socksify/process.h"
#include "socksify/real.h"
#include "socksify/swap.h"

namespace crossgate::socksify {
namespace {

/// What is left of a timeout over several waits; null means for ever.
class Remaining {
 public:
  explicit Remaining(const timespec* timeout) noexcept : forever_(timeout == nullptr) {
    if (!forever_) {
      end_ =
          Clock::now() + std::chrono::seconds(timeout->tv_sec) + std::chrono::nanoseconds(timeout->tv_nsec);
      left_ = *timeout;
    }
  }
  const timespec* get() const noexcept { return forever_ ? nullptr : &left_; }
  void update() noexcept {
    if (forever_) return;
    const auto left = std::max(end_ - Clock::now(), Clock::duration::zero());
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    left_ = {seconds.count(), (left - seconds).count()};
  }

 private:
  bool forever_;
  Clock::time_point end_;
  timespec left_{};
};

// Repeats `wait` while swaps happen during it that could explain what it saw.
template <class Wait>
int waitThroughSwaps(const timespec* timeout, Wait wait) {
  Remaining remaining(timeout);
  for (;;) {
    const unsigned before = swapCount();
    const int result = wait(remaining.get());
    if (result <= 0 || swapCount() == before) return result;
    // Something is ready, perhaps only the old socket's end: ask again, now without it.
    const timespec now{};
    const int again = wait(&now);
    if (again != 0) return again;
    remaining.update();
  }
}

int pollThroughSwaps(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  return waitThroughSwaps(timeout,
                          [&](const timespec* left) { return real().ppoll(fds, count, left, mask); });
}

int selectThroughSwaps(int count, fd_set* read, fd_set* write, fd_set* except, const timespec* timeout,
                       const sigset_t* mask) {
  // Programs may pass sets that are larger than fd_set, and sets are results too: keep the questions,
  // on the stack, because the thread may be cancelled while it waits (cancellation.h).
  const auto octets = static_cast<std::size_t>((count + 63) / 64 * 8);
  auto* const asked = static_cast<unsigned char*>(alloca(3 * octets));
  fd_set* const sets[3] = {read, write, except};
  for (std::size_t i = 0; i < 3; ++i) {
    if (sets[i] != nullptr) std::memcpy(asked + i * octets, sets[i], octets);
  }
  return waitThroughSwaps(timeout, [&](const timespec* left) {
    for (std::size_t i = 0; i < 3; ++i) {
      if (sets[i] != nullptr) std::memcpy(sets[i], asked + i * octets, octets);
    }
    return real().pselect(count, read, write, except, left, mask);
  });
}

timespec fromMilliseconds(int timeout) noexcept { return {timeout / 1000, timeout % 1000 * 1000000L}; }

}  // namespace
}  // namespace crossgate::socksify

using namespace crossgate::socksify;

extern "C" {

int poll(pollfd* fds, nfds_t count, int timeout) {
  if (!anyJobs()) return real().poll(fds, count, timeout);
  const timespec limit = fromMilliseconds(std::max(timeout, 0));
  return pollThroughSwaps(fds, count, timeout < 0 ? nullptr : &limit, nullptr);
}

int ppoll(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  if (!anyJobs()) return real().ppoll(fds, count, timeout, mask);
  return pollThroughSwaps(fds, count, timeout, mask);
}

int __poll_chk(pollfd* fds, nfds_t count, int timeout, size_t size) {
  if (size / sizeof *fds < count) return real().__poll_chk(fds, count, timeout, size);
  return poll(fds, count, timeout);
}

int __ppoll_chk(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask, size_t size) {
  if (size / sizeof *fds < count) return real().__ppoll_chk(fds, count, timeout, mask, size);
  return ppoll(fds, count, timeout, mask);
}

// Linux' select() leaves in `timeout` what is left of it, and takes any number of microseconds.
int select(int count, fd_set* read, fd_set* write, fd_set* except, timeval* timeout) {
  const bool negative = timeout != nullptr && (timeout->tv_sec < 0 || timeout->tv_usec < 0);
  if (!anyJobs() || count < 0 || negative) return real().select(count, read, write, except, timeout);
  const auto begun = Clock::now();
  timespec limit{};
  if (timeout != nullptr)
    limit = {timeout->tv_sec + timeout->tv_usec / 1000000, timeout->tv_usec % 1000000 * 1000};
  const int result =
      selectThroughSwaps(count, read, write, except, timeout == nullptr ? nullptr : &limit, nullptr);
  if (timeout != nullptr) {
    const auto whole = std::chrono::seconds(timeout->tv_sec) + std::chrono::microseconds(timeout->tv_usec);
    const auto left = std::chrono::floor<std::chrono::microseconds>(
        std::max<Clock::duration>(whole - (Clock::now() - begun), Clock::duration::zero()));
    *timeout = {left.count() / 1000000, left.count() % 1000000};
  }
  return result;
}

int pselect(int count, fd_set* read, fd_set* write, fd_set* except, const timespec* timeout,
            const sigset_t* mask) {
  if (!anyJobs() || count < 0) return real().pselect(count, read, write, except, timeout, mask);
  return selectThroughSwaps(count, read, write, except, timeout, mask);
}

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  if (!mayConnect(fd) || inVforkChild()) return real().epoll_ctl(epoll, operation, fd, event);
  return changeEpoll(epoll, operation, fd, event);
}

}  // extern "C"
