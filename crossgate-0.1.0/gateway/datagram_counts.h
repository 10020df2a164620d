// SPDX-License-Identifier: BSD-2-Clause
// What became of an association's datagrams, for the line that account() writes.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace crossgate {

/// Why a datagram was dropped.
enum class Drop : std::uint8_t {
  foreign,     ///< towards the destination, from another source than the association's client
  malformed,   ///< without a header that makes sense
  fragment,    ///< a fragment of a sequence that cannot become whole, or fragments are not served
  denied,      ///< by the access rules
  unresolved,  ///< the name has no address, or too much waits for one
  uninvited,   ///< towards the client, from a host that the client has not sent to
  oversized,   ///< larger than a datagram can be once it has its header
  unsent,      ///< the kernel did not take it
};
inline constexpr std::array dropNames{"dropped-foreign",   "dropped-malformed",  "dropped-fragment",
                                      "dropped-denied",    "dropped-unresolved", "dropped-uninvited",
                                      "dropped-oversized", "dropped-unsent"};

struct DatagramCounts {
  std::uint64_t sent = 0;  ///< to destinations, with payloadSent octets
  std::uint64_t received = 0;
  std::uint64_t octetsSent = 0;
  std::uint64_t octetsReceived = 0;
  std::array<std::uint64_t, dropNames.size()> dropped{};
  std::string refusal;  ///< the first thing that the rules or the resolver said no to, and why

  void drop(Drop cause, std::uint64_t datagrams = 1) noexcept {
    dropped[static_cast<std::size_t>(cause)] += datagrams;
  }
};

}  // namespace crossgate
