// SPDX-License-Identifier: BSD-2-Clause
// Session: one client from its first octet to its log line.  run() is the table of contents: each line
// is a stage, and each stage has a file of its name.
//
// A session owns its client side, what it has read ahead, and its record.  It ends when run() returns
// or when it is destroyed, which cancels whatever stage it is in; either way it accounts for itself.
#pragma once

#include <memory>

#include "gateway/account.h"
#include "gateway/authorize.h"
#include "gateway/connection.h"
#include "gateway/handover.h"
#include "gateway/outbound.h"
#include "gateway/request.h"
#include "gateway/services.h"
#include "gateway/stream.h"

namespace crossgate {

class Session {
 public:
  Session(Services& services, Client client, std::string id);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  Task<void> run();

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
  std::unique_ptr<Stream> client_;
  std::unique_ptr<Stream> destination_;  // of a CONNECT or BIND that came to something
  Inbox inbox_;
  ClientRequest request_;
  bool owesReply_ = false;  // the client waits for the outcome of its request
  RuleClaims claims_;
  std::optional<Authorization> asked_;  // the request as the rules see it
  std::optional<Outbound> outbound_;
  unsigned passedGateways_ = 0;         // before this one
  unsigned strangers_ = 0;              // peers that a BIND has turned away
  RelayRecord record_;
};

}  // namespace crossgate
