// SPDX-License-Identifier: BSD-2-Clause
// The destination server of the load program: what every relay leads to, over IPv4 and IPv6 on one
// port.
//
// A client opens each connection with an Order, which tells the destination what this relay is to
// carry.  The octets of both directions are Payload streams, so that each end checks what it gets.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "t/bench/payload.h"
#include "t/bench/stream.h"

namespace crossgate::bench {

/// What a relay is to carry; the first octets of every connection.
struct Order {
  enum class Kind : std::uint8_t {
    exchange,  ///< take `up` octets, then send `down` and close
    echo,      ///< send back whatever comes, until the client closes
    stream,    ///< take `up` and send `down` octets at the same time, then close
    abort,     ///< as stream, but reset the connection when `down` octets are sent
  };
  static constexpr std::size_t size = 24;
  static constexpr std::uint64_t endless = ~std::uint64_t{0};

  Kind kind = Kind::exchange;
  bool sampled = false;  ///< check a share of the octets only, for measuring throughput
  std::uint32_t seed = 0;
  std::uint64_t up = 0;  ///< octets from client to destination that follow the order
  std::uint64_t down = 0;

  std::array<std::uint8_t, size> encode() const noexcept;
  static std::optional<Order> decode(std::span<const std::uint8_t, size> octets) noexcept;

  Payload upPayload() const noexcept { return Payload(std::uint64_t{seed} * 2); }
  Payload downPayload() const noexcept { return Payload(std::uint64_t{seed} * 2 + 1); }
};

/// What the receivers have counted.  In shared memory, so that the destination may be a process of
/// its own.
struct Tally {
  std::atomic<std::uint64_t> upOctets = 0;    ///< arrived at the destination
  std::atomic<std::uint64_t> downOctets = 0;  ///< arrived at the client
  std::atomic<std::uint64_t> completed = 0;   ///< orders of which the destination got all octets
  std::atomic<std::uint64_t> wrong =
      0;  ///< pieces that were not what was sent, and orders that made no sense
};
Tally& sharedTally();

/// Sends `count` octets of `payload`, giving way to others between pieces; an errno.
Task<int> sendPayload(Stream& stream, Payload payload, std::uint64_t count);
/// Takes `count` octets (or all until the end when `endless`), checks them and adds them to `octets`; an
/// errno, and EBADMSG when they were wrong, ECONNRESET when they were fewer.
Task<int> takePayload(Stream& stream, Payload payload, std::uint64_t count, bool sampled,
                      std::atomic<std::uint64_t>& octets);

class DestinationServer {
 public:
  /// Binds the sockets; serve() runs them on a loop.
  DestinationServer();
  void serve(Loop& loop);
  std::uint16_t port() const noexcept { return port_; }

 private:
  std::uint16_t port_ = 0;
  std::vector<Fd> listeners_;
  std::vector<Fd> udp_;
};

}  // namespace crossgate::bench
