// SPDX-License-Identifier: BSD-2-Clause
// The SOCKS4 and SOCKS4A messages and their octets, without any I/O; decoders as in socks5.h.
#pragma once

#include <cstdint>
#include <string>

#include "lib/address.h"
#include "lib/octets.h"

namespace crossgate::socks4 {

inline constexpr std::uint8_t version = 4;
inline constexpr std::size_t maxUserOctets = 255;  ///< longer user ids are malformed

enum class Command : std::uint8_t { connect = 1, bind = 2 };

/// A request.  A destination that is a name makes it SOCKS4A (0.0.0.1 in DSTIP, the name behind the
/// user id).  SOCKS4 cannot carry an IPv6 address as an address: SOCKS4A carries it as a name.
struct Request {
  Command command = Command::connect;
  Destination destination;
  std::string user;
};
Decoded<Request> decodeRequest(Reader& in);
void encode(const Request& request, Octets& out);

enum class ReplyCode : std::uint8_t {
  granted = 0x5a,
  rejected = 0x5b,
  noIdentd = 0x5c,
  identdMismatch = 0x5d,
};
struct Reply {
  ReplyCode code = ReplyCode::rejected;
  Endpoint bound;  ///< IPv4; an IPv6 address is told as 0.0.0.0
};
Decoded<Reply> decodeReply(Reader& in);
void encode(const Reply& reply, Octets& out);

}  // namespace crossgate::socks4
