// SPDX-License-Identifier: BSD-2-Clause
// Conversation: a session from the client's first octet to where there is nothing left but to relay.  hold()
// and what it calls first, begin(), are the table of contents: each line is a stage, and each stage has a
// file of its name.
//
// What it holds itself is gone when it ends, so that a request takes no memory while octets are copied.
#pragma once

#include <memory>

#include "gateway/account.h"
#include "gateway/authorize.h"
#include "gateway/connection.h"
#include "gateway/outbound.h"
#include "gateway/request.h"
#include "gateway/services.h"
#include "gateway/stream.h"

namespace crossgate {

/// What of a session outlives its conversation.
struct Parties {
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> destination;  ///< of a CONNECT or BIND that came to something
  std::unique_ptr<Chain> chain;         ///< the way to it; a relay of its last hop as long as it lives
  Inbox inbox;                          ///< what the client has sent ahead
  RuleClaims claims;
  RelayRecord record;
};

class Conversation {
 public:
  /// `parties` outlives it, and has the client and what is known of it.
  Conversation(Services& services, const ListenerConfig& listener, Parties& parties);
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  ~Conversation();

  /// Ends when the client has had its last reply.  Where `parties` has a destination by then, what is left to
  /// do is to relay.
  Task<void> hold();

 private:
  Task<Result<void>> begin();
  Result<void> checkClientsOwner();
  Task<Result<void>> introduce(Deadline deadline);
  Task<Result<void>> secure(Deadline deadline);
  Task<Result<void>> identifyByGss(Deadline deadline);
  Result<void> checkUdp() const;
  Task<Result<void>> identify(Deadline deadline);
  Result<void> judge();
  Task<Result<void>> serve();
  Task<Result<void>> connect();
  Task<Result<void>> bind();
  Task<Result<void>> associate();
  Task<Result<void>> resolveName();
  Task<Result<void>> join(Connection server, Endpoint bound);
  Task<Result<void>> tell(Destination bound);
  void logStranger(const Endpoint& from);
  Task<void> refuse(Error error);
  Task<void> farewell();

  Services& services_;
  const ListenerConfig& listener_;
  Parties& parties_;
  std::unique_ptr<Stream>& client_;
  Inbox& inbox_;
  RelayRecord& record_;
  ClientRequest request_;
  bool owesReply_ = false;              // the client waits for the outcome of its request
  std::optional<Authorization> asked_;  // the request as the rules see it
  std::optional<Outbound> outbound_;
  unsigned passedGateways_ = 0;         // before this one
  unsigned strangers_ = 0;              // peers that a BIND has turned away
};

}  // namespace crossgate
