// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/session.h"

#include <array>

#include "gateway/authorize.h"
#include "gateway/negotiate.h"
#include "gateway/request.h"
#include "gateway/unless_peer_leaves.h"

namespace crossgate {
namespace {

constexpr std::chrono::seconds replyTimeout{10};
constexpr std::chrono::seconds farewellTime{2};
constexpr std::array acceptableMethods{socks5::Method::none};

}  // namespace

Session::Session(Services& services, Client client, std::string id)
    : services_(services), client_(std::make_unique<PlainStream>(services.loop, std::move(client.fd))) {
  record_.id = std::move(id);
  record_.client = client.peer.unmapped();
}

Session::~Session() { account(services_.log, record_); }

Task<void> Session::run() {
  auto request = co_await begin();
  if (!request) co_return co_await refuse(request.error());
  auto server = co_await unlessPeerLeaves(*client_, inbox_, open(*std::move(request)));
  if (!server) co_return co_await refuse(server.error());
  record_.address = server->peer;
  if (const auto told = co_await replySuccess(*client_, server->local, in(replyTimeout)); !told) {
    co_return record_.failed(told.error());
  }
  record_.result = "relaying";
  record_.result = toString(co_await relay(services_.pipes, *client_, *server->stream, inbox_,
                                           services_.config.timeouts.relay, record_.traffic));
}

// The conversation up to the request.
Task<Result<ClientRequest>> Session::begin() {
  const Deadline deadline = in(services_.config.timeouts.negotiate);
  const auto method = co_await negotiate(*client_, inbox_, acceptableMethods, deadline);
  if (!method) co_return method.error();
  auto request = co_await readRequest(*client_, inbox_, deadline);
  if (request) {
    record_.command = request->command;
    record_.destination = request->destination;
  }
  co_return request;
}

// From the request to a connection with the destination.
Task<Result<Connection>> Session::open(ClientRequest request) {
  const Config& config = services_.config;
  const Authorization asked{config.access,
                            services_.ownAddresses,
                            {record_.client, record_.user},
                            request.command,
                            request.destination};
  if (const auto verdict = authorize(asked); !verdict) co_return verdict.error();
  co_return co_await dial(services_.resolver, config.dial, request.destination, admission(asked),
                          in(config.timeouts.connect));
}

// Ends a session that came to nothing: tells the client where it can be told.
Task<void> Session::refuse(const Error& error) {
  record_.failed(error);
  const bool requestWasRead = record_.command.has_value() || error.failure == Failure::unsupportedCommand ||
                              error.failure == Failure::unsupportedAddress;
  if (error.failure == Failure::peerGone) co_return;
  if (requestWasRead) {
    const auto told = co_await replyFailure(*client_, error.failure, in(replyTimeout));
    if (!told) co_return;
  }
  co_await farewell();
}

// Ends our direction and takes what the client still sends, because closing with unread octets resets
// the connection and the reply would be lost with it.
Task<void> Session::farewell() {
  const Deadline deadline = in(farewellTime);
  (void)client_->finish();
  for (;;) {
    inbox_.clear();
    const auto count = co_await inbox_.fill(*client_, deadline);
    if (!count || *count == 0) co_return;
  }
}

}  // namespace crossgate
