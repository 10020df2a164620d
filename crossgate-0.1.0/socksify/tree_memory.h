// SPDX-License-Identifier: BSD-2-Clause
// TreeMemory: the memory that all processes of one socksified tree share, so that a fake, and what a
// socket is connected to, mean the same to parents, children and programs that were exec'ed.
//
// It is a sparse file of mode 0600 whose path is in SOCKSIFY_TABLE; socksify makes it, and removes it
// when the last process of the tree has gone.  A process that lost the variable, or may not trust the
// file (another owner, mode, size or kind), gets memory of its own, shared only with its forks.
//
// Everything in it is append-only or guarded by atomics: no lock, because a process may be killed at
// any instruction.  Nothing read from it is believed without a bounds check.
#pragma once

#include <atomic>
#include <cstdint>

namespace crossgate::socksify {

inline constexpr std::uint32_t maxNames = 1U << 18;
inline constexpr std::uint32_t nameBuckets = 1U << 17;
inline constexpr std::uint32_t nameOctets = 1U << 24;
inline constexpr std::uint32_t socketSets = 1U << 13;
inline constexpr std::uint32_t socketsPerSet = 8;

/// See MappingTable.  Indexes and offsets count from 1; 0 is "none", so that fresh memory is empty.
struct MappingArea {
  struct Entry {
    std::atomic<std::uint32_t> next;  ///< in its bucket
    std::atomic<std::uint32_t> hash;
    std::atomic<std::uint32_t> offset;
    std::atomic<std::uint32_t> length;
  };
  std::atomic<std::uint32_t> entriesUsed;
  std::atomic<std::uint32_t> octetsUsed;
  std::atomic<std::uint32_t> bucket[nameBuckets];
  Entry entry[maxNames];
  char octets[nameOctets];
};

/// See SocketTable.  A slot is free while its cookie is 0, and being written while it is `busy`.
struct SocketArea {
  static constexpr std::uint64_t busy = ~std::uint64_t{0};
  struct Slot {
    std::atomic<std::uint64_t> cookie;
    std::atomic<std::uint64_t> word[7];  ///< see SocketTable for what they hold
  };
  std::atomic<std::uint32_t> turn;  ///< which slot of a full set is overwritten next
  Slot set[socketSets][socketsPerSet];
};

struct TreeMemory {
  static constexpr std::uint64_t currentLayout = 0x736f636b7369667aULL;  // changes with the layout
  std::atomic<std::uint64_t> layout;
  MappingArea mapping;
  SocketArea sockets;

  /// Maps the file at `path` (null or unfit: memory of one's own).  Null only without any memory.
  static TreeMemory* open(const char* path) noexcept;
  /// Makes the file; false with errno set.  It must not exist yet.
  static bool create(const char* path) noexcept;
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

}  // namespace crossgate::socksify
