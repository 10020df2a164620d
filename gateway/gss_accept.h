// SPDX-License-Identifier: BSD-2-Clause
// The GSSAPI method from the server's side (RFC 1961): the client's tokens go to the helper until a
// context stands, and then the two sides agree on how messages are protected.
//
// Fails with denied (the client is told by an abort frame), malformed, peerGone or timedOut.
#pragma once

#include <memory>
#include <string>

#include "gateway/gss_level.h"
#include "gateway/gss_seal.h"
#include "gateway/stream.h"

namespace crossgate {

/// The worker's way to the GSSAPI helper.
class GssDesk {
 public:
  /// `questions` is the socket that all workers share; -1 where no method needs the helper.
  GssDesk(EventLoop& loop, int questions) : loop_(loop), questions_(questions) {}
  /// A conversation with the helper.
  Task<Result<std::unique_ptr<Socket>>> open(Deadline deadline);

 private:
  EventLoop& loop_;
  int questions_;
};

struct GssSession {
  std::string user;
  GssLevel level = GssLevel::none;
  std::unique_ptr<GssSeal> seal;  ///< for all that follows; null at level none
};

Task<Result<GssSession>> acceptGss(GssDesk& desk, Stream& client, Inbox& inbox, const GssConfig& config,
                                   Deadline deadline);

}  // namespace crossgate
