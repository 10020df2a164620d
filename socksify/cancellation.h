// SPDX-License-Identifier: BSD-2-Clause
// pthread_cancel() of a thread that is in a call of ours.
//
// The C library unwinds such a thread's stack with the unwinder of the system, and we bring a copy of our
// own: of our frames it may meet only those that have no destructors and are not noexcept.  So what the Socks
// Lib does of its own is done Uncancelled, and the calls that are cancellation points wait in frames that
// hold nothing.
#pragma once

#include <poll.h>
#include <pthread.h>

namespace crossgate::socksify {

/// While it lives, the thread is not cancelled; it will be at its next cancellation point.
class Uncancelled {
 public:
  Uncancelled() noexcept { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~Uncancelled() { pthread_setcancelstate(before_, nullptr); }
  Uncancelled(const Uncancelled&) = delete;
  Uncancelled& operator=(const Uncancelled&) = delete;

 private:
  int before_ = PTHREAD_CANCEL_ENABLE;
};

/// poll() as a cancellation point: a thread that is cancelled meanwhile calls letGo(what) before it ends.
int pollOrLetGo(pollfd& one, int timeout, void (*letGo)(void*), void* what);

}  // namespace crossgate::socksify
