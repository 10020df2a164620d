// SPDX-License-Identifier: BSD-2-Clause
// The conversation with one hop, over a Stream that has reached it: what a chain asks, and the hop's reply in
// the terms of SOCKS5, whatever the hop speaks.
//
// It never reads more than belongs to the conversation, so that the Stream goes on as the tunnel.
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include "gateway/route.h"
#include "gateway/stream.h"
#include "lib/http_connect.h"
#include "lib/socks_client.h"

namespace crossgate {

class HopTalk {
 public:
  struct Manner {
    std::optional<socks5::Credentials> credentials;
    bool pipeline = true;
    unsigned passedGateways = 0;
  };
  struct Patience {
    Deadline toAnswer;  ///< for the hop to say anything
    Deadline toReply;
  };

  /// An Error says what the hop's protocol cannot carry; see SocksClient::create() and HttpConnect::create().
  static Result<HopTalk> create(const Hop& hop, Manner manner, socks5::Request request);

  /// Leads the conversation up to the reply, which may tell a failure.  An Error is one of the conversation
  /// itself: denied (the hop does not let us in), malformed, peerGone, timedOut, or that of an errno.
  Task<Result<socks5::Reply>> converse(Stream& stream, Patience patience);
  /// BIND: after a first reply that succeeded, converse() gives the second one.
  void expectSecondReply() { std::get<SocksClient>(client_).expectSecondReply(); }
  /// Whether the hop has said anything.
  bool heard() const noexcept { return heard_; }

 private:
  using Client = std::variant<SocksClient, HttpConnect>;

  HopTalk(Client client, bool pipeline) : client_(std::move(client)), pipeline_(pipeline) {}
  template <class Protocol>
  Task<Result<socks5::Reply>> lead(Protocol& client, Stream& stream, Patience patience);
  Error silence() const;

  Client client_;
  bool pipeline_;
  bool heard_ = false;
};

}  // namespace crossgate
