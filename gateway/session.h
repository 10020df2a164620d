// SPDX-License-Identifier: BSD-2-Clause
// Session: one client from its first octet to its log line: a conversation, and a relay where that came to
// one.  BIND, UDP ASSOCIATE and RESOLVE wait and serve within the conversation.
//
// It ends when run() returns or when it is destroyed, which cancels whatever it is in; either way it accounts
// for itself.
#pragma once

#include "gateway/conversation.h"
#include "gateway/handover.h"

namespace crossgate {

class Session {
 public:
  Session(Services& services, Client client, std::string id);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  Task<void> run();

 private:
  Task<void> converse();

  Services& services_;
  const ListenerConfig& listener_;
  Parties parties_;
};

}  // namespace crossgate
