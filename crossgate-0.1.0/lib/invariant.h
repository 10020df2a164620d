// SPDX-License-Identifier: BSD-2-Clause
// The assertion for our own mistakes, never for a peer's: a peer that breaks the protocol gets an
// Error.  It stays in every build, because going on after it would do harm that nobody asked for.
// (std::source_location is missing from clang 14; the builtins are the same to both compilers.)
#pragma once

#include <cstdio>
#include <cstdlib>

namespace crossgate {

/// Ends the process and names the place when what we rely on does not hold.
inline void ensure(bool holds, const char* file = __builtin_FILE(), int line = __builtin_LINE(),
                   const char* function = __builtin_FUNCTION()) noexcept {
  if (holds) return;
  std::fprintf(stderr, "crossgate: broken invariant at %s:%d (%s)\n", file, line, function);
  std::abort();
}

}  // namespace crossgate
