// SPDX-License-Identifier: BSD-2-Clause
// The last stage of a session, on every way out: one log line that says who asked for what, where it
// went, how it ended and how much was moved.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "gateway/access.h"
#include "gateway/datagram_counts.h"
#include "gateway/identity.h"
#include "gateway/log.h"
#include "gateway/traffic.h"
#include "lib/address.h"

namespace crossgate {

/// What is known of a relay so far; filled in as the session goes on.
struct RelayRecord {
  std::string id;
  Endpoint client;
  Identity who;
  const char* tls = nullptr;  ///< the version, when the client came by TLS
  const char* gss = nullptr;  ///< the protection, when the client authenticated by GSSAPI
  std::optional<Command> command;
  std::optional<Destination> destination;  ///< as it was asked for
  std::optional<Endpoint> address;         ///< the address that was reached
  std::string route = "direct";
  const char* result = "unfinished";
  std::string reason;  ///< the detail of a failure
  Traffic traffic;
  std::unique_ptr<DatagramCounts> datagrams;  ///< of a UDP ASSOCIATE that was permitted
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();

  void failed(const Error& error) {
    result = toString(error.failure);
    reason = error.detail;
  }
};

void account(const Log& log, const RelayRecord& record);

}  // namespace crossgate
