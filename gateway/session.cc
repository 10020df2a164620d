// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/session.h"

#include "gateway/relay.h"

namespace crossgate {

Session::Session(Services& services, Client client, std::string id)
    : services_(services),
      listener_(services.config.listeners.at(client.listener)),
      parties_{std::make_unique<PlainStream>(services.loop, std::move(client.fd)), nullptr, nullptr, {},
               RuleClaims(services.rules), {}} {
  parties_.record.id = std::move(id);
  parties_.record.client = client.peer.unmapped();
}

Session::~Session() { account(services_.log, parties_.record); }

Task<void> Session::run() {
  co_await converse();
  if (!parties_.destination) co_return;
  RelayRecord& record = parties_.record;
  record.result = "relaying";
  record.result = toString(co_await relay(services_.pipes, *parties_.client, *parties_.destination, parties_.inbox,
                                          services_.config.timeouts.relay, record.traffic));
}

// The frame that holds the conversation is gone before the relay begins.
Task<void> Session::converse() {
  Conversation conversation(services_, listener_, parties_);
  co_await conversation.hold();
}

}  // namespace crossgate
