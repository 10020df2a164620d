// SPDX-License-Identifier: BSD-2-Clause
// Payload: an endless stream of octets that its seed determines, so that the receiver can tell any
// octet that was lost, doubled, changed or sent to the wrong relay.
//
// The stream runs round a table of pseudo-random octets whose length is prime, and the seed says where it
// begins: sending needs no copy, checking is one memcmp.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace crossgate::bench {

class Payload {
 public:
  static constexpr std::size_t period = 262139;
  static constexpr std::size_t longestPiece = 131072;

  explicit Payload(std::uint64_t seed) noexcept : start_(seed * 0x9e3779b97f4a7c15U % period) {}

  /// The octets from `position` on: `count`, at most longestPiece, in one piece.
  std::span<const std::uint8_t> at(std::uint64_t position, std::size_t count) const noexcept {
    return {table().data() + (start_ + position) % period, count < longestPiece ? count : longestPiece};
  }
  bool matches(std::uint64_t position, std::span<const std::uint8_t> got) const noexcept {
    while (!got.empty()) {
      const auto expected = at(position, got.size());
      if (std::memcmp(expected.data(), got.data(), expected.size()) != 0) return false;
      position += expected.size();
      got = got.subspan(expected.size());
    }
    return true;
  }

 private:
  static const std::vector<std::uint8_t>& table() {
    static const std::vector<std::uint8_t> octets = [] {
      std::vector<std::uint8_t> made(period + longestPiece);
      std::uint64_t state = 88172645463325252U;
      for (std::size_t i = 0; i < period; ++i) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        made[i] = static_cast<std::uint8_t>(state >> 32);
      }
      for (std::size_t i = period; i < made.size(); ++i) made[i] = made[i - period];
      return made;
    }();
    return octets;
  }

  std::size_t start_;
};

}  // namespace crossgate::bench
