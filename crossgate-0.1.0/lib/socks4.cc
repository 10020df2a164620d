// SPDX-License-Identifier: BSD-2-Clause
#include "lib/socks4.h"

#include <algorithm>

namespace crossgate::socks4 {
namespace {

constexpr std::uint8_t replyVersion = 0;

// 0.0.0.x with x != 0: no host has it, so SOCKS4A marks by it that a name follows the user id.
bool isNameMark(OctetSpan address) {
  return address[0] == 0 && address[1] == 0 && address[2] == 0 && address[3] != 0;
}

// A text up to its NUL.  `in` may run out before the NUL; the caller checks in.ok().
Result<std::string> readTerminated(Reader& in, std::size_t most, const char* what) {
  Reader ahead = in;
  const OctetSpan rest = ahead.rest();
  const auto length = static_cast<std::size_t>(std::find(rest.begin(), rest.end(), 0) - rest.begin());
  if (length > most) {
    return malformed("SOCKS4: the " + std::string(what) + " is longer than " + std::to_string(most) +
                     " octets");
  }
  std::string text = in.text(length);
  in.u8();
  return text;
}

// What DSTIP can say: an IPv4 address that is no name mark.
bool fitsDstIp(const IpAddress& address) { return address.isV4() && !isNameMark(address.octets()); }

// The host as a name for SOCKS4A.  A zone is dropped: it means an interface of this machine.
std::string nameOf(const Destination& destination) {
  if (const std::string* name = destination.name()) return *name;
  const IpAddress& address = std::get<IpAddress>(destination.host);
  return address.isV4() ? address.toString() : IpAddress::v6(address.octets().first<16>()).toString();
}

}  // namespace

bool needsName(const Destination& destination) noexcept {
  const IpAddress* address = destination.address();
  return address == nullptr || !fitsDstIp(address->unmapped());
}

Decoded<Request> decodeRequest(Reader& in) {
  return decodeWhole<Request>(in, [](Reader& reader) -> Decoded<Request> {
    Request request;
    if (const std::uint8_t got = reader.u8(); reader.ok() && got != version) {
      return malformed("SOCKS4 request: not version 4");
    }
    request.command = Command{reader.u8()};
    const std::uint16_t port = reader.u16();
    const OctetSpan address = reader.take(4);
    if (!reader.ok()) return std::optional<Request>{};

    auto user = readTerminated(reader, maxUserOctets, "user id");
    if (!user) return user.error();
    request.user = *std::move(user);
    if (!isNameMark(address)) {
      request.destination = {IpAddress::v4(address.first<4>()), port};
      return std::optional(std::move(request));
    }
    auto name = readTerminated(reader, maxNameOctets, "domain name");
    if (!name) return name.error();
    if (reader.ok() && name->empty()) return malformed("SOCKS4: an empty domain name");
    request.destination = Destination::of(*name, port);
    return std::optional(std::move(request));
  });
}

void encode(const Request& request, Octets& out) {
  ensure(request.user.size() <= maxUserOctets && request.user.find('\0') == request.user.npos);
  Writer writer(out);
  writer.u8(version).u8(static_cast<std::uint8_t>(request.command)).u16(request.destination.port);
  if (!needsName(request.destination)) {
    writer.octets(std::get<IpAddress>(request.destination.host).unmapped().octets()).text(request.user).u8(0);
    return;
  }
  const std::string name = nameOf(request.destination);
  ensure(isValidName(name));
  writer.u16(0).u16(1).text(request.user).u8(0).text(name).u8(0);
}

Decoded<Reply> decodeReply(Reader& in) {
  return decodeWhole<Reply>(in, [](Reader& reader) -> Decoded<Reply> {
    // The version of a reply is 0; some servers repeat the request's.
    if (const std::uint8_t got = reader.u8(); reader.ok() && got != replyVersion && got != version) {
      return malformed("SOCKS4 reply: neither version 0 nor 4");
    }
    const ReplyCode code{reader.u8()};
    const std::uint16_t port = reader.u16();
    const OctetSpan address = reader.take(4);
    if (!reader.ok()) return std::optional<Reply>{};
    return std::optional(Reply{code, {IpAddress::v4(address.first<4>()), port}});
  });
}

void encode(const Reply& reply, Octets& out) {
  const IpAddress bound = reply.bound.address.unmapped();
  const IpAddress told = bound.isV4() ? bound : IpAddress::any(Family::ipv4);
  Writer(out)
      .u8(replyVersion)
      .u8(static_cast<std::uint8_t>(reply.code))
      .u16(reply.bound.port)
      .octets(told.octets());
}

}  // namespace crossgate::socks4
