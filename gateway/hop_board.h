// SPDX-License-Identifier: BSD-2-Clause
// HopBoard: memory shared by the workers of one generation: which hops are down, and how many relays go
// through each.
//
// A hop that failed is down for a while: it is tried only when no other is left.  When that time has
// passed one relay tries it, and the others wait for how that went.  Counts are kept by worker, so that those of
// a worker that died can be wiped.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace crossgate {

class HopBoard {
 public:
  /// Without hops there is no memory behind it.  Throws std::bad_alloc.
  HopBoard(unsigned workers, std::size_t hops, std::chrono::seconds down);
  ~HopBoard();
  HopBoard(const HopBoard&) = delete;
  HopBoard& operator=(const HopBoard&) = delete;

  /// The master's side: a worker is gone.
  void wipe(unsigned worker) noexcept;

 private:
  friend class HopPage;
  using Count = std::atomic<std::uint32_t>;
  Count& count(unsigned worker, unsigned hop) const noexcept { return counts_[worker * hops_ + hop]; }

  unsigned workers_;
  std::size_t hops_;
  std::chrono::seconds down_;
  std::size_t size_ = 0;
  std::atomic<std::int64_t>* downUntil_ = nullptr;  // ns of the steady clock; 0: up
  Count* counts_ = nullptr;
};

/// A worker's view of it.
class HopPage {
 public:
  using Time = std::chrono::steady_clock::time_point;
  HopPage(HopBoard& board, unsigned worker) : board_(board), worker_(worker) {}

  /// False while the hop is down.
  bool mayTry(unsigned hop, Time now) noexcept;
  /// The hop has failed; true when it was not down before.
  bool failed(unsigned hop, Time now) noexcept;
  /// The hop has answered; true when it was down before.
  bool answered(unsigned hop) noexcept;

  void begin(unsigned hop) noexcept { ++board_.count(worker_, hop); }
  void end(unsigned hop) noexcept { --board_.count(worker_, hop); }
  std::uint64_t relays(unsigned hop) const noexcept;  ///< of all workers

 private:
  HopBoard& board_;
  unsigned worker_;
};

}  // namespace crossgate
