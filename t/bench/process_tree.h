// SPDX-License-Identifier: BSD-2-Clause
// ProcessTree: what a server costs, read from /proc for its first process and all below it.
//
// A process that ended counts through its parent, which has reaped it (cutime, cstime); the kernel
// drops the time of children that a parent ignores with SIG_IGN, which no server measured here does.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace crossgate::bench {

struct Memory {
  std::uint64_t pssKb = 0;         ///< proportional set size: shared pages counted by share
  std::uint64_t anonymousKb = 0;   ///< of it, pages of no file
  std::uint64_t pageTablesKb = 0;  ///< VmPTE: kernel memory that PSS leaves out
  unsigned processes = 0;
  unsigned threads = 0;
  unsigned descriptors = 0;
};

class ProcessTree {
 public:
  explicit ProcessTree(pid_t root) noexcept : root_(root) {}

  /// False when no process was named: there is nothing to read.
  explicit operator bool() const noexcept { return root_ > 0; }
  /// User and system time so far, to 10 ms.
  double cpuSeconds() const;
  Memory memory() const;

 private:
  std::vector<pid_t> processes() const;

  pid_t root_;
};

}  // namespace crossgate::bench
