// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/gss_hop.h"

#include "gateway/gss_initiate.h"
#include "gateway/gss_stream.h"

namespace crossgate {
namespace {

Task<Result<void>> negotiate(Stream& hop, Inbox& inbox, unsigned passedGateways, Deadline deadline) {
  socks5::Greeting greeting;
  greeting.methods.push_back(socks5::Method::gssapi);
  if (passedGateways > 0) greeting.methods.push_back(socks5::passedMethod(passedGateways));
  Octets octets;
  encode(greeting, octets);
  if (const auto sent = co_await writeAll(hop, octets, deadline); !sent) co_return sent.error();
  const auto selection = co_await receive(hop, inbox, socks5::decodeMethodSelection, deadline);
  if (!selection) co_return selection.error();
  if (selection->method == socks5::Method::noAcceptable)
    co_return Error{Failure::denied, "GSSAPI: the server does not accept it"};
  if (selection->method != socks5::Method::gssapi)
    co_return malformed("the server chose a method that was not offered");
  co_return Result<void>{};
}

}  // namespace

Task<Result<std::unique_ptr<Stream>>> connectGss(GssDesk& desk, std::unique_ptr<Stream> below,
                                                 GssHopSetting setting, Deadline deadline) {
  Inbox inbox;
  const auto negotiated = co_await negotiate(*below, inbox, setting.passedGateways, deadline);
  if (!negotiated) co_return negotiated.error();
  auto session = co_await initiateGss(desk, *below, inbox, setting.service, setting.least, deadline);
  if (!session) co_return session.error();
  if (!session->seal) co_return Error{Failure::denied, "GSSAPI: the gateway protects nothing"};
  co_return std::unique_ptr<Stream>(
      std::make_unique<GssStream>(std::move(below), std::move(session->seal), inbox.unread()));
}

}  // namespace crossgate
