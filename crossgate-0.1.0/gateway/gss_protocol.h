// SPDX-License-Identifier: BSD-2-Clause
// The whole contract between a worker and the GSSAPI helper.
//
// A worker begins an establishment: it makes a SOCK_SEQPACKET socketpair and sends one end of it, with
// one octet, on the socket that all workers share for writing.  From then on the two talk over the
// pair: the worker sends the client's tokens, each as one record, and the helper answers each with one
// GssAnswer.  After an answer that completes or fails the helper closes its end.  An end that closes
// earlier means that the helper died, or had no room.
//
// Whoever receives anything else has met a peer that is broken or hostile: it gives the conversation up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/fd.h"
#include "lib/octets.h"
#include "lib/result.h"

namespace crossgate {

struct GssAnswer {
  enum class Kind : std::uint8_t { more = 1, complete = 2, failed = 3 } kind = Kind::failed;
  Octets token;      ///< to be sent to the client, unless it is empty
  std::string user;  ///< complete: the client's name as rules see it
  Octets context;    ///< complete: the exported context
  bool confidential = false;
  std::string reason;  ///< failed
};

/// Begins a conversation on `questions`; the worker's end of it.
Result<Fd> beginGss(int questions);
/// The next conversation that a worker has begun; empty when there is none now; Failure::peerGone when
/// none will come any more.
Result<std::optional<Fd>> acceptGssConversation(int questions);

Result<void> sendGssToken(int channel, OctetSpan token);
/// Without waiting: empty when nothing is there; peerGone at the end.
Result<std::optional<Octets>> receiveGssToken(int channel);
Result<void> sendGssAnswer(int channel, const GssAnswer& answer);
Result<std::optional<GssAnswer>> receiveGssAnswer(int channel);

}  // namespace crossgate
