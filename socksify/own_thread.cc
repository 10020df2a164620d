// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/own_thread.h"

#include <pthread.h>
#include <signal.h>

namespace crossgate::socksify {

bool startOwnThread(void* (*run)(void*), void* argument, std::size_t stack) noexcept {
  sigset_t everything;
  sigset_t before;
  sigfillset(&everything);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (stack != 0) pthread_attr_setstacksize(&attributes, stack);
  // The thread inherits the mask.
  pthread_sigmask(SIG_SETMASK, &everything, &before);
  pthread_t thread;
  const bool started = pthread_create(&thread, &attributes, run, argument) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return started;
}

}  // namespace crossgate::socksify
