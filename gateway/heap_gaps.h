// SPDX-License-Identifier: BSD-2-Clause
// HeapGaps: the free places in the master's heap, filled before it forks.
//
// Reading a configuration leaves gaps all over the heap.  A worker that put its first objects there would
// write to a dozen pages that it could share with the master and the other workers; where the gaps are
// filled, its objects stand next to each other in new pages.  What fills them is given back before the
// next configuration is read.  With another C library than glibc nothing is done.
#pragma once

#include <cstddef>

namespace crossgate {

class HeapGaps {
 public:
  HeapGaps() = default;
  HeapGaps(const HeapGaps&) = delete;
  HeapGaps& operator=(const HeapGaps&) = delete;
  ~HeapGaps() { open(); }

  void fill() noexcept;
  void open() noexcept;

 private:
  struct Filling {
    Filling* next;
  };
  void fillThoseOf(std::size_t size, const void* end) noexcept;

  Filling* first_ = nullptr;
};

}  // namespace crossgate
