// SPDX-License-Identifier: BSD-2-Clause
// The sandbox of a worker: a seccomp filter with the system calls that relaying takes, and no other.
// A worker that makes another one is killed by SIGSYS, after it has noted the call's number where the
// master finds it; the call itself is not carried out.
//
// The filter is made once, in the master, because that takes milliseconds; a worker enters it with one
// system call.  Calls that are allowed whatever their arguments cost next to nothing: the kernel
// keeps a bitmap of them.
#pragma once

#include <atomic>
#include <string>

#include "lib/result.h"

namespace crossgate {

/// Makes the filter.  An Error when the kernel has no seccomp; workers then go without.  Builds with
/// sanitizers have none either: these open files and start threads of their own.
Result<void> prepareSandbox();

/// True when there is a filter to enter.
bool hasSandbox() noexcept;

/// Confines this process for good.  `violation` (shared with the master) gets the number of a call that
/// is not allowed, plus one.
Result<void> enterSandbox(std::atomic<int>& violation);

/// The name of a system call of this machine: "execve", or its number.
std::string systemCallName(int number);

}  // namespace crossgate
