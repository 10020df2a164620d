// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/frame_pool.h"

#include <array>
#include <new>

namespace crossgate {
namespace {

constexpr std::size_t step = 16;
constexpr std::size_t largest = 1280;  // larger ones are of chains
#ifdef CROSSGATE_SANITIZED
constexpr unsigned mostKept = 0;  // so that the use of a frame that has ended is found
#else
constexpr unsigned mostKept = 16;  // of each size
#endif

struct Block {
  Block* next;
};

struct Shelf {
  Block* first = nullptr;
  unsigned kept = 0;
};

std::array<Shelf, largest / step> shelves;

std::size_t shelfOf(std::size_t size) noexcept { return (size - 1) / step; }

}  // namespace

void* FramePool::take(std::size_t size) {
  if (size > largest) return ::operator new(size);
  Shelf& shelf = shelves[shelfOf(size)];
  if (shelf.first == nullptr) return ::operator new((shelfOf(size) + 1) * step);
  Block* block = shelf.first;
  shelf.first = block->next;
  --shelf.kept;
  return block;
}

void FramePool::giveBack(void* frame, std::size_t size) noexcept {
  if (size > largest || shelves[shelfOf(size)].kept == mostKept) return ::operator delete(frame);
  Shelf& shelf = shelves[shelfOf(size)];
  shelf.first = ::new (frame) Block{shelf.first};
  ++shelf.kept;
}

}  // namespace crossgate
