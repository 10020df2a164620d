// SPDX-License-Identifier: BSD-2-Clause
// Threads of ours in the program's process.
#pragma once

#include <cstddef>

namespace crossgate::socksify {

/// Starts a detached thread that takes none of the program's signals: its handlers expect the program's
/// threads.  `stack` in octets, 0 for the usual.  False when no thread can be had.
bool startOwnThread(void* (*run)(void*), void* argument, std::size_t stack = 0) noexcept;

}  // namespace crossgate::socksify
