// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/heap_gaps.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <utility>

namespace crossgate {

void HeapGaps::open() noexcept {
  while (first_ != nullptr) std::free(std::exchange(first_, first_->next));
}

#if defined(__GLIBC__) && !defined(CROSSGATE_SANITIZED)

// Until malloc has none left and takes new memory, behind `end`.
void HeapGaps::fillThoseOf(std::size_t size, const void* end) noexcept {
  constexpr unsigned most = 100'000;
  for (unsigned i = 0; i < most; ++i) {
    auto* filling = static_cast<Filling*>(std::malloc(size));
    if (filling == nullptr) return;
    filling->next = std::exchange(first_, filling);
    if (std::less<>{}(end, static_cast<void*>(filling))) return;
  }
}

void HeapGaps::fill() noexcept {
  open();
  // malloc's own sizes: steps of 16 where it keeps what is freed, powers of two above.
  constexpr std::size_t step = 16;
  constexpr std::size_t kept = 1032;
  constexpr std::size_t largest = 64 * 1024;
  const void* end = static_cast<char*>(sbrk(0)) - mallinfo2().keepcost;
  for (std::size_t size = largest; size > kept; size /= 2) fillThoseOf(size, end);
  for (std::size_t size = kept; size >= sizeof(Filling) + step; size -= step) fillThoseOf(size, end);
  fillThoseOf(sizeof(Filling), end);
}

#else

void HeapGaps::fill() noexcept {}

#endif

}  // namespace crossgate
