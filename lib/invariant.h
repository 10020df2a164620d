// SPDX-License-Identifier: BSD-2-Clause
// The assertion for our own mistakes, never for a peer's: a peer that breaks the protocol gets an
// Error.  It stays in every build, because going on after it would do harm that nobody asked for.
#pragma once

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace crossgate {

/// Ends the process and names the place when what we rely on does not hold.
inline void ensure(bool holds, std::source_location place = std::source_location::current()) noexcept {
  if (holds) return;
  std::fprintf(stderr, "crossgate: broken invariant at %s:%" PRIuLEAST32 " (%s)\n", place.file_name(),
               place.line(), place.function_name());
  std::abort();
}

}  // namespace crossgate
