// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/hop_board.h"

#include <sys/mman.h>

#include <new>

namespace crossgate {
namespace {

std::int64_t toTicks(HopPage::Time time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

HopBoard::HopBoard(unsigned workers, std::size_t hops, std::chrono::seconds down)
    : workers_(workers), hops_(hops), down_(down) {
  if (hops_ == 0) return;
  const std::size_t states = hops_ * sizeof *downUntil_;
  size_ = states + workers_ * hops_ * sizeof(Count);
  void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  // Zeroed pages are valid atomics: every hop is up, and nothing goes through it.
  downUntil_ = static_cast<std::atomic<std::int64_t>*>(memory);
  counts_ = reinterpret_cast<Count*>(static_cast<std::byte*>(memory) + states);
}

HopBoard::~HopBoard() {
  if (downUntil_ != nullptr) munmap(downUntil_, size_);
}

void HopBoard::wipe(unsigned worker) noexcept {
  for (unsigned hop = 0; hop < hops_; ++hop) count(worker, hop).store(0);
}

bool HopPage::mayTry(unsigned hop, Time now) noexcept {
  std::atomic<std::int64_t>& until = board_.downUntil_[hop];
  std::int64_t seen = until.load();
  if (seen == 0) return true;
  if (toTicks(now) < seen) return false;
  // The first to come tries, and the others take the hop for down meanwhile.
  return until.compare_exchange_strong(seen, toTicks(now + board_.down_)) || seen == 0;
}

bool HopPage::failed(unsigned hop, Time now) noexcept {
  return board_.downUntil_[hop].exchange(toTicks(now + board_.down_)) == 0;
}

bool HopPage::answered(unsigned hop) noexcept {
  std::atomic<std::int64_t>& until = board_.downUntil_[hop];
  return until.load(std::memory_order_relaxed) != 0 && until.exchange(0) != 0;
}

std::uint64_t HopPage::relays(unsigned hop) const noexcept {
  std::uint64_t total = 0;
  for (unsigned worker = 0; worker < board_.workers_; ++worker) total += board_.count(worker, hop).load();
  return total;
}

}  // namespace crossgate
