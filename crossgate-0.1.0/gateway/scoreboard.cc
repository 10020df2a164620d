// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/scoreboard.h"

#include <sys/mman.h>

#include <new>

namespace crossgate {

Scoreboard::Scoreboard(unsigned workers, unsigned relaysPerWorker) : ringSize_(relaysPerWorker) {
  const std::size_t head = sizeof(Slot);
  const std::size_t slots = workers * sizeof(Slot);
  size_ = head + slots + std::size_t{workers} * ringSize_ * sizeof(std::atomic<Ticket>);
  memory_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory_ == MAP_FAILED) throw std::bad_alloc();

  // The kernel gives zeroed pages, which are valid empty atomics; only what is not zero is constructed,
  // so that pages nobody uses stay untouched.
  auto* octets = static_cast<std::byte*>(memory_);
  masterWaits_ = new (octets) std::atomic<bool>(false);
  slots_ = reinterpret_cast<Slot*>(octets + head);
  rings_ = reinterpret_cast<std::atomic<Ticket>*>(octets + head + slots);
}

Scoreboard::~Scoreboard() { munmap(memory_, size_); }

std::atomic<Scoreboard::Ticket>& Scoreboard::place(unsigned worker, std::uint64_t n) const noexcept {
  return rings_[std::size_t{worker} * ringSize_ + n % ringSize_];
}

void Scoreboard::finish(unsigned worker, Ticket ticket) noexcept {
  std::atomic<std::uint64_t>& finished = slots_[worker].finished;
  const std::uint64_t n = finished.load(std::memory_order_relaxed);
  place(worker, n).store(ticket, std::memory_order_relaxed);
  finished.store(n + 1, std::memory_order_seq_cst);
}

std::uint64_t Scoreboard::finished(unsigned worker) const noexcept {
  return slots_[worker].finished.load(std::memory_order_seq_cst);
}

Scoreboard::Ticket Scoreboard::ticketOf(unsigned worker, std::uint64_t n) const noexcept {
  return place(worker, n).load(std::memory_order_relaxed);
}

void Scoreboard::reset(unsigned worker) noexcept {
  slots_[worker].finished.store(0);
  slots_[worker].violation.store(0);
}

}  // namespace crossgate
