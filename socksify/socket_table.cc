// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/socket_table.h"

#include <array>
#include <cstring>

#include "socksify/real.h"

namespace crossgate::socksify {
namespace {

// A slot's seven words: [0] kind and numbers, [1..2] and [3..4] the octets of peer and local address,
// [5] their zones, [6] unused.
constexpr std::uint64_t hasLocal = 1U << 0, programV6 = 1U << 1, peerV6 = 1U << 2, localV6 = 1U << 3,
                        untold = 1U << 4;
using Words = std::array<std::uint64_t, 7>;

void packAddress(const IpAddress& address, std::uint64_t* words) noexcept {
  const auto octets = address.octets();
  std::memcpy(words, octets.data(), octets.size());
}

IpAddress unpackAddress(const std::uint64_t* words, bool v6, std::uint32_t zone) noexcept {
  std::array<std::uint8_t, 16> octets{};
  std::memcpy(octets.data(), words, octets.size());
  return v6 ? IpAddress::v6(octets, zone) : IpAddress::v4(std::span(octets).first<4>());
}

Words pack(const ShownSocket& shown) noexcept {
  Words words{};
  words[0] = (shown.local ? hasLocal : 0) | (shown.family == Family::ipv6 ? programV6 : 0) |
             (shown.peer.address.isV4() ? 0 : peerV6) | (shown.untold ? untold : 0) |
             std::uint64_t{shown.peer.port} << 16 |
             static_cast<std::uint64_t>(static_cast<std::uint16_t>(shown.error)) << 32;
  packAddress(shown.peer.address, &words[1]);
  words[5] = shown.peer.address.zone();
  if (shown.local) {
    words[0] |= (shown.local->address.isV4() ? 0 : localV6) | std::uint64_t{shown.local->port} << 48;
    packAddress(shown.local->address, &words[3]);
    words[5] |= std::uint64_t{shown.local->address.zone()} << 32;
  }
  return words;
}

ShownSocket unpack(const Words& words) noexcept {
  ShownSocket shown;
  shown.family = (words[0] & programV6) != 0 ? Family::ipv6 : Family::ipv4;
  shown.peer.address =
      unpackAddress(&words[1], (words[0] & peerV6) != 0, static_cast<std::uint32_t>(words[5]));
  shown.peer.port = static_cast<std::uint16_t>(words[0] >> 16);
  shown.error = static_cast<std::uint16_t>(words[0] >> 32);
  shown.untold = (words[0] & untold) != 0;
  if ((words[0] & hasLocal) != 0) {
    shown.local = Endpoint{
        unpackAddress(&words[3], (words[0] & localV6) != 0, static_cast<std::uint32_t>(words[5] >> 32)),
        static_cast<std::uint16_t>(words[0] >> 48)};
  }
  return shown;
}

}  // namespace

std::uint64_t socketCookie(int fd) noexcept {
  std::uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  const int saved = errno;
  const bool known = real().getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0;
  errno = saved;
  return known ? cookie : 0;
}

SocketArea::Slot* SocketTable::slotOf(std::uint64_t cookie) const noexcept {
  if (cookie == 0 || cookie == SocketArea::busy) return nullptr;
  for (auto& slot : area_.set[cookie % socketSets]) {
    if (slot.cookie.load(std::memory_order_acquire) == cookie) return &slot;
  }
  return nullptr;
}

// Takes a slot out of circulation for writing: the socket's own, a free one, or the set's oldest.
SocketArea::Slot* SocketTable::claim(std::uint64_t cookie) noexcept {
  auto& set = area_.set[cookie % socketSets];
  const auto take = [](SocketArea::Slot& slot, std::uint64_t expected) {
    return slot.cookie.compare_exchange_strong(expected, SocketArea::busy, std::memory_order_acq_rel);
  };
  for (const std::uint64_t wanted : {cookie, std::uint64_t{0}}) {
    for (auto& slot : set) {
      if (slot.cookie.load(std::memory_order_relaxed) == wanted && take(slot, wanted)) return &slot;
    }
  }
  auto& oldest = set[area_.turn.fetch_add(1, std::memory_order_relaxed) % socketsPerSet];
  // A slot whose writer was killed stays busy; taking it over is right, as no writer takes that long.
  oldest.cookie.store(SocketArea::busy, std::memory_order_release);
  return &oldest;
}

void SocketTable::remember(std::uint64_t cookie, const ShownSocket& shown) noexcept {
  if (cookie == 0 || cookie == SocketArea::busy) return;
  SocketArea::Slot* slot = claim(cookie);
  const Words words = pack(shown);
  for (std::size_t i = 0; i < words.size(); ++i) slot->word[i].store(words[i], std::memory_order_relaxed);
  slot->cookie.store(cookie, std::memory_order_release);
}

// The cookie is read again after the words: if it changed meanwhile they belong to another socket.
std::optional<ShownSocket> SocketTable::lookup(std::uint64_t cookie) const noexcept {
  const SocketArea::Slot* slot = slotOf(cookie);
  if (slot == nullptr) return std::nullopt;
  Words words;
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = slot->word[i].load(std::memory_order_acquire);
  if (slot->cookie.load(std::memory_order_acquire) != cookie) return std::nullopt;
  return unpack(words);
}

void SocketTable::forget(std::uint64_t cookie) noexcept {
  SocketArea::Slot* slot = slotOf(cookie);
  if (slot != nullptr) slot->cookie.compare_exchange_strong(cookie, 0, std::memory_order_acq_rel);
}

}  // namespace crossgate::socksify
