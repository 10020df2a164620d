// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/ask_gateway.h"

#include <algorithm>

#include "socksify/real.h"
#include "socksify/socks_lib.h"

namespace crossgate::socksify {

namespace {

Result<socks5::Reply> converse(GatewayLink& link, Clock::time_point deadline) {
  for (;;) {
    auto progress = link.advance();
    if (!progress) return progress.error();
    if (*progress == GatewayLink::Progress::done) break;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return Error{Failure::timedOut, "the gateway gave no answer"};
    pollfd ready{link.fd(), link.events(), 0};
    real().poll(&ready, 1, static_cast<int>(left));
  }
  const socks5::Reply reply = link.reply();
  if (reply.code != socks5::ReplyCode::succeeded)
    return Error{socks5::failureOf(reply.code), "the gateway refused"};
  return reply;
}

}  // namespace

Result<socks5::Reply> askGateway(const socks5::Request& request, HiddenSocket* socket,
                                 std::unique_ptr<GatewayLink>* kept) {
  SocksLib& lib = SocksLib::get();
  if (!lib.trouble().empty()) return Error{Failure::general, lib.trouble()};
  auto gateway = lib.gatewayAddresses();
  if (!gateway) return gateway.error();
  auto link = std::make_unique<GatewayLink>(lib.clientOptions(), request, *gateway, Family::ipv4);
  auto reply = converse(*link, Clock::now() + lib.config().timeout);
  if (reply && socket != nullptr) *socket = link->takeSocket();
  if (kept != nullptr) *kept = std::move(link);
  return reply;
}

bool askGatewayForAddress(const std::string& name) noexcept {
  const auto reply = askGateway({socks5::Command::resolve, {name, 0}});
  if (reply) return true;
  tell("%s: %s", name.c_str(), reply.error().detail.c_str());
  return reply.error().failure != Failure::hostUnreachable;
}

std::optional<std::string> askGatewayForName(const IpAddress& address) noexcept {
  const auto reply = askGateway({socks5::Command::resolvePtr, {address, 0}});
  if (!reply || reply->bound.name() == nullptr) return std::nullopt;
  return *reply->bound.name();
}

}  // namespace crossgate::socksify
