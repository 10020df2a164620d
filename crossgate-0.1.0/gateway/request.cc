// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/request.h"

#include "lib/socks4.h"

namespace crossgate {
namespace {

Error unsupported(unsigned command) {
  return {Failure::unsupportedCommand, "command " + std::to_string(command)};
}

Result<ClientRequest> understand(socks5::Request request) {
  ClientRequest result;
  result.destination = std::move(request.destination);
  switch (request.command) {
    case socks5::Command::connect: result.command = Command::connect; return result;
    case socks5::Command::bind: result.command = Command::bind; return result;
    case socks5::Command::udpAssociate: result.command = Command::udp; return result;
    case socks5::Command::resolve: result.command = Command::resolve; return result;
    case socks5::Command::resolvePtr:
      result.command = Command::resolve;
      result.reverse = true;
      return result;
    default: return unsupported(static_cast<unsigned>(request.command));
  }
}

Result<ClientRequest> understand(socks4::Request request) {
  ClientRequest result;
  result.version = SocksVersion::socks4;
  result.destination = std::move(request.destination);
  result.userId = std::move(request.user);
  // Tor's extension has the same number in SOCKS4A.
  if (static_cast<std::uint8_t>(request.command) == static_cast<std::uint8_t>(socks5::Command::resolve)) {
    result.command = Command::resolve;
    return result;
  }
  switch (request.command) {
    case socks4::Command::connect: result.command = Command::connect; return result;
    case socks4::Command::bind: result.command = Command::bind; return result;
    default: return unsupported(static_cast<unsigned>(request.command));
  }
}

Task<Result<void>> send(Stream& client, Octets octets, Deadline deadline) {
  co_return co_await writeAll(client, octets, deadline);
}

}  // namespace

Task<Result<SocksVersion>> recogniseVersion(Stream& client, Inbox& inbox, Deadline deadline) {
  const auto first = [](Reader& in) -> Decoded<std::uint8_t> {
    Reader ahead = in;
    const std::uint8_t octet = ahead.u8();
    return ahead.ok() ? std::optional(octet) : std::nullopt;
  };
  const auto octet = co_await receive<std::uint8_t>(client, inbox, first, deadline);
  if (!octet) co_return octet.error();
  if (*octet == socks4::version) co_return SocksVersion::socks4;
  if (*octet == socks5::version) co_return SocksVersion::socks5;
  co_return malformed("the first octet, " + std::to_string(*octet) + ", is no version of SOCKS");
}

Task<Result<ClientRequest>> readRequest(Stream& client, Inbox& inbox, SocksVersion version,
                                        Deadline deadline) {
  if (version == SocksVersion::socks4) {
    auto request = co_await receive(client, inbox, socks4::decodeRequest, deadline);
    if (!request) co_return request.error();
    co_return understand(*std::move(request));
  }
  auto request = co_await receive(client, inbox, socks5::decodeRequest, deadline);
  if (!request) co_return request.error();
  co_return understand(*std::move(request));
}

Task<Result<void>> replySuccess(Stream& client, SocksVersion version, Destination bound, Deadline deadline) {
  Octets octets;
  if (version == SocksVersion::socks4) {
    const IpAddress* address = bound.address();
    encode(socks4::Reply{socks4::ReplyCode::granted, {address ? *address : IpAddress{}, bound.port}}, octets);
  } else {
    encode(socks5::Reply{socks5::ReplyCode::succeeded, std::move(bound)}, octets);
  }
  return send(client, std::move(octets), deadline);
}

Task<Result<void>> replyFailure(Stream& client, SocksVersion version, Failure failure, Deadline deadline) {
  Octets octets;
  if (version == SocksVersion::socks4) {
    encode(socks4::Reply{socks4::ReplyCode::rejected, {}}, octets);
  } else {
    encode(socks5::Reply{socks5::replyCodeOf(failure), {IpAddress{}, 0}}, octets);
  }
  return send(client, std::move(octets), deadline);
}

}  // namespace crossgate
