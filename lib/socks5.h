// SPDX-License-Identifier: BSD-2-Clause
// The SOCKS5 messages and their octets (RFC 1928; username/password: RFC 1929; GSSAPI frames:
// RFC 1961), without any I/O.
//
// decode*() reads one message from the front of a Reader: complete, incomplete (an empty optional;
// come back with more) or malformed.  encode() appends one message; what it is given must fit into
// the message's length fields (names, users and passwords of 255 octets, tokens of 65,535).  Nothing
// here knows whether it is the client or the Gateway that speaks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/address.h"
#include "lib/octets.h"

namespace crossgate::socks5 {

inline constexpr std::uint8_t version = 5;

/// RFC 1928, section 3.
enum class Method : std::uint8_t { none = 0x00, gssapi = 0x01, userpass = 0x02, noAcceptable = 0xff };
const char* toString(Method method) noexcept;

/// RFC 1928, section 4; resolve and resolvePtr are Tor's extension.
enum class Command : std::uint8_t {
  connect = 0x01,
  bind = 0x02,
  udpAssociate = 0x03,
  resolve = 0xf0,
  resolvePtr = 0xf1,
};

/// RFC 1928, section 6.
enum class ReplyCode : std::uint8_t {
  succeeded = 0,
  generalFailure = 1,
  notAllowed = 2,
  networkUnreachable = 3,
  hostUnreachable = 4,
  connectionRefused = 5,
  ttlExpired = 6,
  commandNotSupported = 7,
  addressTypeNotSupported = 8,
};

/// The reply that tells a failure to the client, and what the client may conclude from a reply.
/// A name without an address is "host unreachable", a deadline that passed "TTL expired".
ReplyCode replyCodeOf(Failure failure) noexcept;
Failure failureOf(ReplyCode code) noexcept;

/// The client's first message: the methods it can do (RFC 1928, section 3).
struct Greeting {
  std::vector<Method> methods;
};
Decoded<Greeting> decodeGreeting(Reader& in);
void encode(const Greeting& greeting, Octets& out);

/// SOCKS has no hop counter, so gateways tell each other how many a request has passed by a private method
/// (RFC 1928, section 3: X'80' to X'FE') that is offered beside the others and never chosen; a server that does
/// not know it passes it over.
inline constexpr unsigned maxPassedGateways = 31;
Method passedMethod(unsigned gateways) noexcept;
/// 0 when the greeting tells none.
unsigned passedGateways(const Greeting& greeting) noexcept;

/// The server's choice (RFC 1928, section 3).
struct MethodSelection {
  Method method = Method::noAcceptable;
};
Decoded<MethodSelection> decodeMethodSelection(Reader& in);
void encode(const MethodSelection& selection, Octets& out);

/// User name and password, 1 to 255 octets each; an empty password is let through (RFC 1929 asks
/// for one octet at least, but clients without a password send none).
struct Credentials {
  std::string user;
  std::string password;
};
Decoded<Credentials> decodeCredentials(Reader& in);
void encode(const Credentials& credentials, Octets& out);

/// The answer to Credentials: status 0 is success (RFC 1929, section 2).
struct CredentialsStatus {
  std::uint8_t status = 0;
};
Decoded<CredentialsStatus> decodeCredentialsStatus(Reader& in);
void encode(const CredentialsStatus& status, Octets& out);

/// RFC 1928, section 4.  `command` may hold a value that is not in the enumeration: the Gateway
/// answers it with 07.  An unknown address type is Failure::unsupportedAddress (answered with 08).
struct Request {
  Command command = Command::connect;
  Destination destination;
};
Decoded<Request> decodeRequest(Reader& in);
void encode(const Request& request, Octets& out);

/// RFC 1928, section 6.  The bound address may be a name (RESOLVE_PTR answers with one).
struct Reply {
  ReplyCode code = ReplyCode::generalFailure;
  Destination bound;
};
Decoded<Reply> decodeReply(Reader& in);
void encode(const Reply& reply, Octets& out);

/// The header of a datagram of an association (RFC 1928, section 7); the payload follows it.
struct UdpHeader {
  std::uint8_t fragment = 0;  ///< 0: stands alone; 1 to 127: position; 0x80 set: the last one
  Destination destination;
};
/// A datagram is whole, so there is no incomplete: the payload is what the Reader has left.
Result<UdpHeader> decodeUdpHeader(Reader& in);
void encode(const UdpHeader& header, Octets& out);
/// The octets a header takes in front of its payload.
std::size_t encodedSize(const UdpHeader& header) noexcept;

/// A frame of the GSSAPI method (RFC 1961, sections 3 to 6).
enum class GssMessage : std::uint8_t { token = 1, protection = 2, data = 3, abort = 0xff };
struct GssFrame {
  GssMessage type = GssMessage::abort;
  Octets token;  ///< up to 65,535 octets; empty for abort, which has no length field
};
Decoded<GssFrame> decodeGssFrame(Reader& in);
void encode(const GssFrame& frame, Octets& out);

}  // namespace crossgate::socks5
