// SPDX-License-Identifier: BSD-2-Clause
// Compiled without exceptions: pthread_cleanup_push() is then made of setjmp() and needs nothing of our
// unwinder.
#include "socksify/cancellation.h"

#include "socksify/real.h"

namespace crossgate::socksify {

int pollOrLetGo(pollfd& one, int timeout, void (*letGo)(void*), void* what) {
  int count = -1;
  pthread_cleanup_push(letGo, what);
  count = real().poll(&one, 1, timeout);
  pthread_cleanup_pop(0);
  return count;
}

}  // namespace crossgate::socksify
