// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/ticket_keys.h"

#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>

namespace crossgate {
namespace {

// One more than are good at once: the slot that is being written is one that nobody looks at.
constexpr std::uint32_t slots = 4;
constexpr std::uint32_t good = 3;

}  // namespace

struct TicketKeys::Page {
  std::atomic<std::uint32_t> count;  // keys made so far; the current one is in slot (count - 1) % slots
  std::array<TicketKey, slots> keys;
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

void TicketKeys::Unmap::operator()(Page* page) const noexcept { munmap(page, sizeof(Page)); }

TicketKeys::TicketKeys() : rotated_(Clock::now()) {
  void* memory = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no memory for the keys of TLS tickets");
  page_.reset(static_cast<Page*>(memory));  // zeros, which is a Page without keys
  madvise(memory, sizeof(Page), MADV_DONTDUMP);
  makeKey(0);
}

void TicketKeys::makeKey(std::uint32_t slot) {
  TicketKey& key = page_->keys[slot];
  for (std::span<std::uint8_t> part : {std::span<std::uint8_t>(key.name), std::span<std::uint8_t>(key.cipher),
                                       std::span<std::uint8_t>(key.mac)}) {
    if (getrandom(part.data(), part.size(), 0) != static_cast<ssize_t>(part.size())) {
      throw std::runtime_error("no randomness for the keys of TLS tickets");
    }
  }
  page_->count.fetch_add(1, std::memory_order_release);
}

void TicketKeys::rotateIfDue(Clock::time_point now) {
  if (now - rotated_ < period) return;
  rotated_ = now;
  makeKey(page_->count.load(std::memory_order_relaxed) % slots);
}

const TicketKey& TicketKeys::current() const noexcept {
  return page_->keys[(page_->count.load(std::memory_order_acquire) - 1) % slots];
}

std::optional<TicketKeys::Found> TicketKeys::find(std::span<const std::uint8_t, 16> name) const noexcept {
  const std::uint32_t count = page_->count.load(std::memory_order_acquire);
  for (std::uint32_t age = 0; age < std::min(count, good); ++age) {
    const TicketKey& key = page_->keys[(count - 1 - age) % slots];
    if (std::equal(name.begin(), name.end(), key.name.begin())) return Found{&key, age == 0};
  }
  return {};
}

}  // namespace crossgate
