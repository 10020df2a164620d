// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/request.h"

namespace crossgate {
namespace {

Task<Result<void>> reply(Stream& client, socks5::ReplyCode code, Destination bound, Deadline deadline) {
  Octets octets;
  encode(socks5::Reply{code, std::move(bound)}, octets);
  co_return co_await writeAll(client, octets, deadline);
}

}  // namespace

Task<Result<ClientRequest>> readRequest(Stream& client, Inbox& inbox, Deadline deadline) {
  auto request = co_await receive(client, inbox, socks5::decodeRequest, deadline);
  if (!request) co_return request.error();
  switch (request->command) {
    case socks5::Command::connect: co_return ClientRequest{Command::connect, std::move(request->destination)};
    default:
      co_return Error{Failure::unsupportedCommand,
                      "command " + std::to_string(static_cast<unsigned>(request->command))};
  }
}

Task<Result<void>> replySuccess(Stream& client, const Endpoint& bound, Deadline deadline) {
  const Endpoint shown = bound.unmapped();
  return reply(client, socks5::ReplyCode::succeeded, Destination{shown.address, shown.port}, deadline);
}

Task<Result<void>> replyFailure(Stream& client, Failure failure, Deadline deadline) {
  return reply(client, socks5::replyCodeOf(failure), Destination{IpAddress{}, 0}, deadline);
}

}  // namespace crossgate
