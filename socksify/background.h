// SPDX-License-Identifier: BSD-2-Clause
// What goes on while the program does something else: conversations with the Gateway that nobody waits
// for in a call.  One helper thread, with all signals blocked, polls their sockets and takes each a
// step further; it lives while there are any, and a little longer.
//
// A Job's functions run with the helper's lock held, in the helper or in the program's own thread, and
// never wait.  A fork leaves the jobs to the parent.
#pragma once

#include <memory>

#include "socksify/gateway_link.h"

namespace crossgate::socksify {

class Job {
 public:
  Job() noexcept = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual ~Job() = default;

  virtual int fd() const noexcept = 0;
  virtual short events() const noexcept = 0;
  virtual Clock::time_point deadline() const noexcept = 0;
  /// Goes as far as it can; true when it is over.
  virtual bool step() = 0;

  /// The program's descriptor is a connection that this job is making.
  virtual bool isConnecting(int fd) const noexcept = 0;
  /// dup() has made `to` of `from`.
  virtual void duplicated(int from, int to) = 0;
  /// The number is closed; true when nothing is left to do it for.
  virtual bool leftBehind(int fd) = 0;
};

/// False with errno EAGAIN when no thread can be had.
bool addJob(std::unique_ptr<Job> job) noexcept;

/// True when there may be jobs at all: one load.
bool anyJobs() noexcept;
bool isConnecting(int fd) noexcept;
void duplicated(int from, int to) noexcept;
void leftBehind(int fd) noexcept;

/// In a child that was made without the handlers of fork(): its parent's jobs and locks are not its own.
void forgetParent() noexcept;

/// Keeps forks safe; called once.
void watchForks() noexcept;

}  // namespace crossgate::socksify
