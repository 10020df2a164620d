// SPDX-License-Identifier: BSD-2-Clause
// FramePool: memory of coroutine frames that have ended, for those that begin.
//
// A relay is a dozen frames that come and go with each stage; most are larger than what malloc keeps at
// hand.  Blocks are kept by size, a few of each, so that a relay that begins finds warm what the last one
// left, and a burst of relays gives back what it took.  For processes with one thread.
#pragma once

#include <cstddef>

namespace crossgate {

class FramePool {
 public:
  static void* take(std::size_t size);  ///< throws std::bad_alloc
  static void giveBack(void* frame, std::size_t size) noexcept;
};

}  // namespace crossgate
