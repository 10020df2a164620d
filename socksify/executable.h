// SPDX-License-Identifier: BSD-2-Clause
// Whether a program can be socksified at all: LD_PRELOAD reaches dynamically linked programs that run
// with the user's own rights and make their system calls through the C library.
//
// These are also asked in children of vfork(), which share their parent's memory: nothing is allocated.
#pragma once

#include <climits>
#include <cstdint>

namespace crossgate::socksify {

enum class Obstacle : std::uint8_t {
  none,
  gainsRights,
  unreadable,
  otherMachine,
  go,
  isStatic,
  lacksLibrary
};

/// What a program is: why it would run past the Socks Lib, as the end of a sentence about it.
const char* describe(Obstacle obstacle) noexcept;

struct Program {
  Obstacle obstacle = Obstacle::none;
  /// The program itself, or the interpreter of a script, which the obstacle is in.
  char path[PATH_MAX] = "";
};

/// Looks at what exec would run.  No obstacle is told of what can't be run at all: exec itself tells that
/// best.  What can be run and not read is an obstacle, because nobody can tell what it is.
void inspect(const char* path, Program& program) noexcept;

/// Where exec would find a program; false when nowhere.  What is relative in the search path begins at
/// `folder`, which is empty or ends in a slash.
bool findProgram(const char* name, const char* searchPath, char (&path)[PATH_MAX],
                 const char* folder = "") noexcept;

}  // namespace crossgate::socksify
