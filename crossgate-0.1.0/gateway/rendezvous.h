// SPDX-License-Identifier: BSD-2-Clause
// Rendezvous: a place where one peer is expected to connect (RFC 1928, section 4, BIND).  bind.h makes one
// on this host; a chain makes one at its last hop.
#pragma once

#include "gateway/connection.h"
#include "gateway/task.h"
#include "lib/address.h"
#include "lib/result.h"

namespace crossgate {

class Rendezvous {
 public:
  Rendezvous() = default;
  Rendezvous(const Rendezvous&) = delete;
  Rendezvous& operator=(const Rendezvous&) = delete;
  virtual ~Rendezvous() = default;

  /// Where the peer is to connect to: BND of the first reply.
  virtual Destination place() const = 0;
  /// The peer's connection, once it is there.  Failure::timedOut when it does not come.
  virtual Task<Result<Connection>> peer(Deadline deadline) = 0;
};

}  // namespace crossgate
