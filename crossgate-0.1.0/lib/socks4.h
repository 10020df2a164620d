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

/// True for a destination that only SOCKS4A can carry: a name, an IPv6 address, and 0.0.0.1 to
/// 0.0.0.255, which in DSTIP would mark a name.
bool needsName(const Destination& destination) noexcept;

/// A request.  `command` may hold a value that is not in the enumeration.  Decoding tells SOCKS4 and
/// SOCKS4A apart by DSTIP (0.0.0.x: a name follows the user id), and a name that is a literal address
/// of either family becomes that address.  Encoding writes SOCKS4A, with the host as a name, where
/// needsName() holds, and SOCKS4 otherwise; the user id must be without NUL and at most
/// maxUserOctets, a name valid (isValidName).
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
/// `code` may hold a value that is not in the enumeration: a failure too.
struct Reply {
  ReplyCode code = ReplyCode::rejected;
  Endpoint bound;  ///< IPv4; an IPv6 address is told as 0.0.0.0
};
Decoded<Reply> decodeReply(Reader& in);
void encode(const Reply& reply, Octets& out);

}  // namespace crossgate::socks4
