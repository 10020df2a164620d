// SPDX-License-Identifier: BSD-2-Clause
// What both sides of the GSSAPI method (RFC 1961) have in common: the frames of its conversation, and the
// questions to the helper that establishes contexts (gss_accept.h, gss_initiate.h).
//
// Fails with denied when a side gives the method up, malformed, peerGone or timedOut.
#pragma once

#include <memory>
#include <string>

#include "gateway/gss_level.h"
#include "gateway/gss_protocol.h"
#include "gateway/gss_seal.h"
#include "gateway/stream.h"
#include "lib/socks5.h"

namespace crossgate {

/// The worker's way to a GSSAPI helper.
class GssDesk {
 public:
  /// `questions` is the socket that all workers share; -1 where nothing needs the helper.
  GssDesk(EventLoop& loop, int questions) : loop_(loop), questions_(questions) {}
  /// A conversation with the helper.
  Task<Result<std::unique_ptr<Socket>>> open(Deadline deadline);

 private:
  EventLoop& loop_;
  int questions_;
};

/// The helper's answer to one token.
Task<Result<GssAnswer>> askGssHelper(Socket& helper, OctetSpan token, Deadline deadline);

/// What the two sides have come to.
struct GssSession {
  std::string user;  ///< the client's name; empty on the client's own side
  GssLevel level = GssLevel::none;
  std::unique_ptr<GssSeal> seal;  ///< for all that follows; null at level none
};

Task<Result<void>> sendGssFrame(Stream& peer, socks5::GssMessage type, Octets token, Deadline deadline);
/// The token of the next frame, which is of this type.
Task<Result<Octets>> receiveGssFrame(Stream& peer, Inbox& inbox, socks5::GssMessage type, Deadline deadline);
/// Tells the peer that the method has failed, where it can still be told.
Task<void> abortGss(Stream& peer);

}  // namespace crossgate
