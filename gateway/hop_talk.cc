// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/hop_talk.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace crossgate {
namespace {

constexpr std::size_t mostAtOnce = 512;

SocksClient::Dialect dialectOf(HopProtocol protocol) {
  switch (protocol) {
    case HopProtocol::socks4: return SocksClient::Dialect::socks4;
    case HopProtocol::socks4a: return SocksClient::Dialect::socks4a;
    default: return SocksClient::Dialect::socks5;
  }
}

}  // namespace

Result<HopTalk> HopTalk::create(const Hop& hop, Manner manner, socks5::Request request) {
  if (hop.protocol == HopProtocol::http) {
    auto client = HttpConnect::create(manner.credentials, request);
    if (!client) return client.error();
    return HopTalk(*std::move(client), false);
  }
  const bool pipeline = manner.pipeline;
  auto client = SocksClient::create(
      {dialectOf(hop.protocol), std::move(manner.credentials), pipeline, manner.passedGateways,
       hop.gssapi},
      std::move(request));
  if (!client) return client.error();
  return HopTalk(*std::move(client), pipeline && hop.protocol == HopProtocol::socks5);
}

Task<Result<socks5::Reply>> HopTalk::converse(Stream& stream, Patience patience) {
  return std::visit([&](auto& client) { return lead(client, stream, patience); }, client_);
}

template <class Protocol>
Task<Result<socks5::Reply>> HopTalk::lead(Protocol& client, Stream& stream, Patience patience) {
  while (!client.done()) {
    if (const OctetSpan output = client.output(); !output.empty()) {
      const auto sent = co_await writeAll(stream, output, patience.toAnswer);
      if (!sent) co_return sent.error();
      client.sent(output.size());
      continue;
    }
    std::array<std::uint8_t, mostAtOnce> buffer;
    const Io io = stream.read(std::span(buffer).first(std::min(client.wanted(), buffer.size())));
    if (io.state == Io::State::done) {
      heard_ = true;
      const auto taken = client.received(OctetSpan(buffer).first(io.octets));
      if (!taken) co_return taken.error();
    } else if (io.state == Io::State::closed) {
      co_return client.closedEarly();
    } else if (io.state == Io::State::failed) {
      if (io.error == EPROTO)
        co_return Error{Failure::general, "it broke TLS off (does it want a certificate, or another one?)"};
      co_return systemError("read", io.error);
    } else if (co_await waitFor(stream, io.state, heard_ ? patience.toReply : patience.toAnswer) ==
               Wake::timedOut) {
      co_return silence();
    }
  }
  co_return client.reply();
}

Error HopTalk::silence() const {
  if (!heard_) return {Failure::timedOut, "no answer in time"};
  return {Failure::timedOut, pipeline_ ? "no reply in time (a server that can't take a request in one flight needs "
                                         "`pipeline no`)"
                                       : "no reply in time"};
}

}  // namespace crossgate
