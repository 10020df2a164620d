// SPDX-License-Identifier: BSD-2-Clause
// Program: how this process was started, so that an upgrade can start it again: the path (absolute, and
// not followed through symbolic links, which an upgrade may turn elsewhere), the arguments, the folder.
#pragma once

#include <string>
#include <vector>

namespace crossgate {

class Program {
 public:
  /// To be called before the folder changes.
  static Program ofThisProcess(int argc, char** argv);

  const std::string& path() const noexcept { return path_; }
  /// Replaces this process in the folder of the start; returns only when it can't: errno tells why.
  void execute() const noexcept;

 private:
  std::string path_;
  std::string folder_;
  std::vector<std::string> arguments_;
};

}  // namespace crossgate
