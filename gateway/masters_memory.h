// SPDX-License-Identifier: BSD-2-Clause
// The master's own memory, which no child inherits (MADV_DONTFORK).
//
// A page that the master changes between two forks is a page that those two children can't share.  What it
// notes all the time, about workers and clients, lies here instead; a child that reads it dies (SIGSEGV).
#pragma once

#include <memory_resource>

namespace crossgate {

/// For one thread, as the master is.  Throws std::bad_alloc when the kernel gives no memory.
std::pmr::memory_resource& mastersMemory();

}  // namespace crossgate
