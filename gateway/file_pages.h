// SPDX-License-Identifier: BSD-2-Clause
// The pages of the program and its libraries that a process has in its address space.
//
// Starting reads far more of them than relaying does: relocation, the configuration, the look-ups of a
// dozen libraries.  They would stand in every account of this process's memory for as long as it lives.
#pragma once

namespace crossgate {

/// Takes what was only read of files out of this process's address space.  What is used again is there
/// again, from the page cache, at its first use.
void releaseFilePages() noexcept;

}  // namespace crossgate
