// SPDX-License-Identifier: BSD-2-Clause
// TicketKeys: what TLS session tickets are sealed with, shared by all workers of all generations, so
// that a client resumes its session whichever worker it meets.
//
// The keys live in a page of memory that the master shares with its workers through fork; it alone
// writes there, the workers read.  A key issues tickets for one period and is good for opening them for two
// more; then it is overwritten, and what was sealed with it stays sealed (forward secrecy).  The page is in
// no core dump.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace crossgate {

struct TicketKey {
  std::array<std::uint8_t, 16> name;
  std::array<std::uint8_t, 32> cipher;
  std::array<std::uint8_t, 32> mac;
};

class TicketKeys {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::hours period{1};

  TicketKeys();  ///< throws std::runtime_error when there is no memory or no randomness
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;

  /// The master: makes a new key when the current one has had its period.
  void rotateIfDue(Clock::time_point now = Clock::now());

  /// The key that seals new tickets.
  const TicketKey& current() const noexcept;

  struct Found {
    const TicketKey* key;
    bool isCurrent;  ///< a ticket under an older key is to be renewed
  };
  /// The key of this name, while it is good.
  std::optional<Found> find(std::span<const std::uint8_t, 16> name) const noexcept;

 private:
  struct Page;
  struct Unmap {
    void operator()(Page* page) const noexcept;
  };
  void makeKey(std::uint32_t slot);

  std::unique_ptr<Page, Unmap> page_;
  Clock::time_point rotated_;
};

}  // namespace crossgate
