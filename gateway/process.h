// SPDX-License-Identifier: BSD-2-Clause
// What processes do to themselves: descriptors, signals, limits, identity, the background.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "gateway/log.h"
#include "lib/fd.h"
#include "lib/result.h"

namespace crossgate {

/// Closes every descriptor but 0, 1, 2 and those named, which it sorts; no loop over numbers that were never opened.
void closeAllBut(std::span<int> keep) noexcept;

/// What is open above 2, but for `wanted`: before this process has opened anything, what its starter left open.
std::vector<Fd> openDescriptorsBut(const std::vector<int>& wanted);

/// fork() for a process of one thread, whose libraries hold no lock and need no word of it (_Fork()): what
/// fork() sets right for others would be some four pages more of the child's own.
pid_t forkLean() noexcept;

/// The master alone answers signals; a terminal or a service manager sends them to its children too.
void ignoreMastersSignals() noexcept;

/// Gives signals their default back.
void resetSignals(std::span<const int> signals) noexcept;

/// Raises the limit of open descriptors to `wanted`, as far as the system lets us; returns what is in
/// force.
std::size_t raiseDescriptorLimit(std::size_t wanted) noexcept;

/// The limit of open descriptors that was in force at the first call.
std::size_t descriptorLimit() noexcept;

/// Everybody else who is ready to run on this processor has a turn; returns at once where nobody is.
void letOthersRun() noexcept;

/// When this process is woken up it takes the processor from nobody (SCHED_BATCH); a policy that the
/// administrator has chosen stays.
void wakeUpWithoutPreempting() noexcept;

/// Adds how a child ended, as waitpid(2) tells it: `signal=9 name=SIGKILL`, or `status=1`.
void describeEnd(Log::Line& line, int status);

/// Nothing of who started us is held any more: the folder, the umask, the terminal.
void leaveTerminal() noexcept;

/// Goes into the background: the parent waits for the child's word and exits with it.
class Daemon {
 public:
  /// Forks; the parent does not return.  The child leads a session of its own and keeps the terminal for
  /// its complaints until leaveTerminal().
  static Result<Daemon> detach();
  /// The service stands: the parent exits 0.
  void ready() noexcept;

 private:
  explicit Daemon(Fd parent) : parent_(std::move(parent)) {}
  Fd parent_;
};

}  // namespace crossgate
