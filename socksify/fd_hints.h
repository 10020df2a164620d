// SPDX-License-Identifier: BSD-2-Clause
// FdHints: a mark on numbers of descriptors, so that a call on any other costs one load and no lock.  A
// mark is a hint: one that is stale costs a look, never a mistake.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace crossgate::socksify {

class FdHints {
 public:
  /// Linux grants no higher numbers, unless fs.nr_open was raised; those count as marked.
  static constexpr int limit = 1 << 20;

  bool has(int fd) const noexcept {
    return fd >= limit || (fd >= 0 && (wordOf(fd).load(std::memory_order_acquire) & bitOf(fd)) != 0);
  }
  void mark(int fd) noexcept {
    if (fd >= 0 && fd < limit) wordOf(fd).fetch_or(bitOf(fd), std::memory_order_acq_rel);
  }
  void unmark(int fd) noexcept {
    if (fd >= 0 && fd < limit) wordOf(fd).fetch_and(~bitOf(fd), std::memory_order_acq_rel);
  }

  /// True when a marked number meets the condition.
  template <class Condition>
  bool any(Condition condition) const {
    for (int first = 0; first < limit; first += 64) {
      const std::uint64_t word = wordOf(first).load(std::memory_order_relaxed);
      for (int fd = first; fd < first + 64 && word >> (fd - first) != 0; ++fd) {
        if ((word & bitOf(fd)) != 0 && condition(fd)) return true;
      }
    }
    return false;
  }

 private:
  using Word = std::atomic<std::uint64_t>;
  static std::uint64_t bitOf(int fd) noexcept { return std::uint64_t{1} << (fd % 64); }
  const Word& wordOf(int fd) const noexcept { return words_[static_cast<unsigned>(fd) / 64]; }
  Word& wordOf(int fd) noexcept { return words_[static_cast<unsigned>(fd) / 64]; }

  std::array<Word, limit / 64> words_{};
};

}  // namespace crossgate::socksify
