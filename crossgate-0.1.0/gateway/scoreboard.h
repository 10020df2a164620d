// SPDX-License-Identifier: BSD-2-Clause
// Scoreboard: memory shared by the master and the workers of one generation: which relays ended.
//
// A worker has a slot with a ring: it writes the ticket of each relay that ended and then counts up
// `finished`.  The master remembers how far it has read.  No worker has more relays than the ring has
// places, so the ring can't overrun; each word has one writer, so nothing is locked.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace crossgate {

class Scoreboard {
 public:
  using Ticket = std::uint32_t;

  struct alignas(64) Slot {
    std::atomic<std::uint64_t> finished{0};
    std::atomic<int> violation{0};  // see sandbox.h
  };

  /// Throws std::bad_alloc when the kernel gives no memory.
  Scoreboard(unsigned workers, unsigned relaysPerWorker);
  ~Scoreboard();
  Scoreboard(const Scoreboard&) = delete;
  Scoreboard& operator=(const Scoreboard&) = delete;

  /// The worker's side: one relay has ended.
  void finish(unsigned worker, Ticket ticket) noexcept;
  /// The master's side: how many have ended so far, and the ticket of the n-th of them.
  std::uint64_t finished(unsigned worker) const noexcept;
  Ticket ticketOf(unsigned worker, std::uint64_t n) const noexcept;
  /// Where a worker that breaks out of its sandbox notes the system call.
  std::atomic<int>& violation(unsigned worker) noexcept { return slots_[worker].violation; }
  /// A slot gets a new worker.
  void reset(unsigned worker) noexcept;

  /// Set while the master has no room for a client; a worker that finishes a relay takes it back and
  /// wakes the master.
  std::atomic<bool>& masterWaits() noexcept { return *masterWaits_; }

 private:
  std::atomic<Ticket>& place(unsigned worker, std::uint64_t n) const noexcept;

  std::size_t size_ = 0;
  unsigned ringSize_ = 0;
  void* memory_ = nullptr;
  std::atomic<bool>* masterWaits_ = nullptr;
  Slot* slots_ = nullptr;
  std::atomic<Ticket>* rings_ = nullptr;
};

}  // namespace crossgate
