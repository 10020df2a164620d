// SPDX-License-Identifier: BSD-2-Clause
// PidFile: the file that tells scripts which process is the master, and keeps a second one from starting.
//
// It is locked (flock) from before the listeners are bound until the process has ended, so that a file
// that a crash left behind is in nobody's way.  The lock belongs to the open file: an upgrade hands the
// descriptor to the new master, and there is no moment without it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "lib/fd.h"
#include "lib/result.h"

namespace crossgate {

class PidFile {
 public:
  /// Locks the file; the Error names the process that holds it.  `handed` is what the old master of an
  /// upgrade had open: where it is the same file, its lock is ours.
  static Result<PidFile> acquire(const std::string& given, Fd handed = {});
  PidFile(PidFile&&) noexcept = default;
  PidFile& operator=(PidFile&&) = delete;
  /// Removes the file, unless it is another's.
  ~PidFile();

  /// Names this process in it.
  Result<void> write();
  /// The time of its last change is now: whoever waits for a new process to be named sees that none will be.
  void touch() const noexcept;
  /// It is the new master's now.
  void handOver() noexcept { fd_.reset(); }
  int fd() const noexcept { return fd_.get(); }

  /// The process that a file names and that holds its lock; empty: no master runs.
  static std::optional<pid_t> holder(const std::string& path);

 private:
  PidFile(std::string path, Fd fd, pid_t owner)
      : path_(std::move(path)), fd_(std::move(fd)), owner_(owner) {}
  std::string path_;
  Fd fd_;
  pid_t owner_;  // who removes it: not a child, nor a new master that has not taken over
};

}  // namespace crossgate
