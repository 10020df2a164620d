// SPDX-License-Identifier: BSD-2-Clause
// Checker: a process that compares one password at a time with what the back ends know: the password
// file, and PAM.  Hashing and PAM modules take their time and may crash or hang; here they hold up
// nobody but the logins that wait for this checker.
//
// The helper has one Checker object per process.  A process that dies, or takes too long and is
// killed, leaves its login without an answer, and the next one gets a new process.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>

#include "gateway/auth_protocol.h"
#include "gateway/config.h"
#include "gateway/event_loop.h"
#include "gateway/task.h"

namespace crossgate {

class Checker {
 public:
  Checker(EventLoop& loop, const AuthConfig& config, const Log& log)
      : loop_(loop), config_(config), log_(log) {}

  /// The verdict on a login; `unavailable` when the process is not there, dies or takes too long.
  /// One at a time; `login` outlives the Task.
  Task<LoginVerdict> check(const LoginRequest& login);

  /// The next login gets a new process.
  void renew() noexcept { stale_ = true; }

  bool busy = false;  ///< the helper's own note

 private:
  bool ask(const LoginRequest& login);
  bool spawn();
  void end(const char* why);

  EventLoop& loop_;
  const AuthConfig& config_;
  const Log& log_;
  pid_t pid_ = 0;
  std::unique_ptr<Socket> channel_;
  Deadline notBefore_{};
  bool stale_ = false;
};

}  // namespace crossgate
