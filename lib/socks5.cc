// SPDX-License-Identifier: BSD-2-Clause
#include "lib/socks5.h"

#include <algorithm>

namespace crossgate::socks5 {
namespace {

constexpr std::uint8_t credentialsVersion = 1;  // RFC 1929, section 2
constexpr std::uint8_t gssVersion = 1;          // RFC 1961, section 3
constexpr unsigned passedBase = 0xc0;

enum class AddressType : std::uint8_t { ipv4 = 1, domainName = 3, ipv6 = 4 };

std::string hex(std::uint8_t octet) {
  constexpr char digits[] = "0123456789abcdef";
  return {'0', 'x', digits[octet >> 4], digits[octet & 0xf]};
}

Error wrongVersion(const char* message, std::uint8_t got, std::uint8_t expected) {
  return malformed(std::string(message) + ": version " + hex(got) + " where " + hex(expected) + " is due");
}

// ATYP, address and port.  `in` may run out in the middle; the caller checks in.ok().
Result<Destination> readDestination(Reader& in) {
  const std::uint8_t type = in.u8();
  if (!in.ok()) return Destination{};
  switch (static_cast<AddressType>(type)) {
    case AddressType::ipv4: {
      const OctetSpan octets = in.take(4);
      const std::uint16_t port = in.u16();
      if (!in.ok()) return Destination{};
      return Destination{IpAddress::v4(octets.first<4>()), port};
    }
    case AddressType::ipv6: {
      const OctetSpan octets = in.take(16);
      const std::uint16_t port = in.u16();
      if (!in.ok()) return Destination{};
      return Destination{IpAddress::v6(octets.first<16>()), port};
    }
    case AddressType::domainName: {
      const std::size_t length = in.u8();
      if (in.ok() && length == 0) return malformed("an empty domain name");
      const std::string name = in.text(length);
      const std::uint16_t port = in.u16();
      if (!in.ok()) return Destination{};
      if (!isValidName(name)) return malformed("a domain name with a NUL octet");
      return Destination::of(name, port);
    }
  }
  return Error{Failure::unsupportedAddress, "address type " + hex(type)};
}

void writeDestination(const Destination& destination, Octets& out) {
  Writer writer(out);
  if (const IpAddress* address = destination.address()) {
    writer.u8(static_cast<std::uint8_t>(address->isV4() ? AddressType::ipv4 : AddressType::ipv6));
    writer.octets(address->octets());
  } else {
    writer.u8(static_cast<std::uint8_t>(AddressType::domainName))
        .text8(std::get<std::string>(destination.host));
  }
  writer.u16(destination.port);
}

}  // namespace

const char* toString(Method method) noexcept {
  switch (method) {
    case Method::none: return "none";
    case Method::gssapi: return "gssapi";
    case Method::userpass: return "userpass";
    case Method::noAcceptable: return "no-acceptable";
  }
  return "unknown";
}

ReplyCode replyCodeOf(Failure failure) noexcept {
  switch (failure) {
    case Failure::denied: return ReplyCode::notAllowed;
    case Failure::networkUnreachable: return ReplyCode::networkUnreachable;
    case Failure::hostUnreachable:
    case Failure::noSuchName: return ReplyCode::hostUnreachable;
    case Failure::refused: return ReplyCode::connectionRefused;
    case Failure::timedOut: return ReplyCode::ttlExpired;
    case Failure::unsupportedCommand: return ReplyCode::commandNotSupported;
    case Failure::unsupportedAddress: return ReplyCode::addressTypeNotSupported;
    case Failure::general:
    case Failure::malformed:
    case Failure::peerGone:
    case Failure::noCredentials:
    case Failure::exhausted:
    case Failure::invalid: return ReplyCode::generalFailure;
  }
  return ReplyCode::generalFailure;
}

Failure failureOf(ReplyCode code) noexcept {
  switch (code) {
    case ReplyCode::notAllowed: return Failure::denied;
    case ReplyCode::networkUnreachable: return Failure::networkUnreachable;
    case ReplyCode::hostUnreachable: return Failure::hostUnreachable;
    case ReplyCode::connectionRefused: return Failure::refused;
    case ReplyCode::ttlExpired: return Failure::timedOut;
    case ReplyCode::commandNotSupported: return Failure::unsupportedCommand;
    case ReplyCode::addressTypeNotSupported: return Failure::unsupportedAddress;
    case ReplyCode::succeeded:
    case ReplyCode::generalFailure: return Failure::general;
  }
  return Failure::general;
}

Method passedMethod(unsigned gateways) noexcept {
  return Method{static_cast<std::uint8_t>(passedBase + std::min(gateways, maxPassedGateways))};
}

unsigned passedGateways(const Greeting& greeting) noexcept {
  unsigned most = 0;
  for (const Method method : greeting.methods) {
    const auto number = static_cast<unsigned>(method);
    if (number > passedBase && number <= passedBase + maxPassedGateways)
      most = std::max(most, number - passedBase);
  }
  return most;
}

Decoded<Greeting> decodeGreeting(Reader& in) {
  return decodeWhole<Greeting>(in, [](Reader& reader) -> Decoded<Greeting> {
    const std::uint8_t got = reader.u8();
    if (reader.ok() && got != version) return wrongVersion("greeting", got, version);
    const std::size_t count = reader.u8();
    if (reader.ok() && count == 0) return malformed("greeting: no methods");
    Greeting greeting;
    for (const std::uint8_t method : reader.take(count)) greeting.methods.push_back(Method{method});
    return std::optional(std::move(greeting));
  });
}

void encode(const Greeting& greeting, Octets& out) {
  ensure(!greeting.methods.empty() && greeting.methods.size() <= 0xff);
  Writer writer(out);
  writer.u8(version).u8(static_cast<std::uint8_t>(greeting.methods.size()));
  for (const Method method : greeting.methods) writer.u8(static_cast<std::uint8_t>(method));
}

Decoded<MethodSelection> decodeMethodSelection(Reader& in) {
  return decodeWhole<MethodSelection>(in, [](Reader& reader) -> Decoded<MethodSelection> {
    const std::uint8_t got = reader.u8();
    if (reader.ok() && got != version) return wrongVersion("method selection", got, version);
    return std::optional(MethodSelection{Method{reader.u8()}});
  });
}

void encode(const MethodSelection& selection, Octets& out) {
  Writer(out).u8(version).u8(static_cast<std::uint8_t>(selection.method));
}

Decoded<Credentials> decodeCredentials(Reader& in) {
  return decodeWhole<Credentials>(in, [](Reader& reader) -> Decoded<Credentials> {
    const std::uint8_t got = reader.u8();
    if (reader.ok() && got != credentialsVersion) {
      return wrongVersion("username/password", got, credentialsVersion);
    }
    Credentials credentials;
    const std::size_t userLength = reader.u8();
    if (reader.ok() && userLength == 0) return malformed("username/password: an empty user name");
    credentials.user = reader.text(userLength);
    credentials.password = reader.text(reader.u8());
    return std::optional(std::move(credentials));
  });
}

void encode(const Credentials& credentials, Octets& out) {
  Writer(out).u8(credentialsVersion).text8(credentials.user).text8(credentials.password);
}

Decoded<CredentialsStatus> decodeCredentialsStatus(Reader& in) {
  return decodeWhole<CredentialsStatus>(in, [](Reader& reader) -> Decoded<CredentialsStatus> {
    const std::uint8_t got = reader.u8();
    // Some servers answer with the SOCKS version here; RFC 1929 wants 01.
    if (reader.ok() && got != credentialsVersion && got != version) {
      return wrongVersion("username/password status", got, credentialsVersion);
    }
    return std::optional(CredentialsStatus{reader.u8()});
  });
}

void encode(const CredentialsStatus& status, Octets& out) {
  Writer(out).u8(credentialsVersion).u8(status.status);
}

Decoded<Request> decodeRequest(Reader& in) {
  return decodeWhole<Request>(in, [](Reader& reader) -> Decoded<Request> {
    const std::uint8_t got = reader.u8();
    if (reader.ok() && got != version) return wrongVersion("request", got, version);
    const Command command{reader.u8()};
    reader.u8();  // RSV: must be zero, but nothing depends on it
    auto destination = readDestination(reader);
    if (!destination) return destination.error();
    return std::optional(Request{command, *std::move(destination)});
  });
}

void encode(const Request& request, Octets& out) {
  Writer(out).u8(version).u8(static_cast<std::uint8_t>(request.command)).u8(0);
  writeDestination(request.destination, out);
}

Decoded<Reply> decodeReply(Reader& in) {
  return decodeWhole<Reply>(in, [](Reader& reader) -> Decoded<Reply> {
    const std::uint8_t got = reader.u8();
    if (reader.ok() && got != version) return wrongVersion("reply", got, version);
    const ReplyCode code{reader.u8()};
    reader.u8();
    auto bound = readDestination(reader);
    if (!bound) return bound.error();
    return std::optional(Reply{code, *std::move(bound)});
  });
}

void encode(const Reply& reply, Octets& out) {
  Writer(out).u8(version).u8(static_cast<std::uint8_t>(reply.code)).u8(0);
  writeDestination(reply.bound, out);
}

Result<UdpHeader> decodeUdpHeader(Reader& in) {
  Reader copy = in;
  if (copy.u16() != 0) return malformed("datagram: the reserved octets are not zero");
  const std::uint8_t fragment = copy.u8();
  auto destination = readDestination(copy);
  if (!destination) return destination.error();
  if (!copy.ok()) return malformed("datagram: shorter than its header");
  in = copy;
  return UdpHeader{fragment, *std::move(destination)};
}

void encode(const UdpHeader& header, Octets& out) {
  Writer(out).u16(0).u8(header.fragment);
  writeDestination(header.destination, out);
}

std::size_t encodedSize(const UdpHeader& header) noexcept {
  constexpr std::size_t fixed = 2 + 1 + 1 + 2;  // RSV, FRAG, ATYP, port
  if (const IpAddress* address = header.destination.address()) return fixed + address->octets().size();
  return fixed + 1 + std::get<std::string>(header.destination.host).size();
}

Decoded<GssFrame> decodeGssFrame(Reader& in) {
  return decodeWhole<GssFrame>(in, [](Reader& reader) -> Decoded<GssFrame> {
    const std::uint8_t got = reader.u8();
    if (reader.ok() && got != gssVersion) return wrongVersion("GSSAPI frame", got, gssVersion);
    GssFrame frame;
    const std::uint8_t type = reader.u8();
    frame.type = GssMessage{type};
    switch (frame.type) {
      case GssMessage::abort: return std::optional(std::move(frame));
      case GssMessage::token:
      case GssMessage::protection:
      case GssMessage::data: break;
      default:
        if (!reader.ok()) return std::optional(std::move(frame));
        return malformed("GSSAPI frame: message type " + hex(type));
    }
    const OctetSpan token = reader.take(reader.u16());
    frame.token.assign(token.begin(), token.end());
    return std::optional(std::move(frame));
  });
}

void encode(const GssFrame& frame, Octets& out) {
  Writer writer(out);
  writer.u8(gssVersion).u8(static_cast<std::uint8_t>(frame.type));
  if (frame.type == GssMessage::abort) return;
  ensure(frame.token.size() <= 0xffff);
  writer.u16(static_cast<std::uint16_t>(frame.token.size())).octets(frame.token);
}

}  // namespace crossgate::socks5
