// SPDX-License-Identifier: BSD-2-Clause
// Whether a program can be socksified at all: LD_PRELOAD reaches dynamically linked programs that run
// with the user's own rights and make their system calls through the C library.
#pragma once

#include <string>

namespace crossgate::socksify {

/// Why the program at `path` would run past the Socks Lib; empty when it would not, and when it can't
/// be run or read at all (exec itself tells that best).  Follows the interpreters of scripts.
std::string whyNotSocksifiable(const std::string& path);

/// Where exec would find a program; empty when nowhere.
std::string findProgram(const std::string& name, const char* searchPath);

}  // namespace crossgate::socksify
