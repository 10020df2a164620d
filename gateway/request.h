// SPDX-License-Identifier: BSD-2-Clause
// The client's request and our replies to it (RFC 1928, sections 4 and 6).
#pragma once

#include "gateway/access.h"
#include "gateway/stream.h"
#include "lib/socks5.h"

namespace crossgate {

struct ClientRequest {
  Command command = Command::connect;
  Destination destination;
};

/// Failure::unsupportedCommand and unsupportedAddress are to be told to the client; after malformed
/// and peerGone there is nothing to tell.
Task<Result<ClientRequest>> readRequest(Stream& client, Inbox& inbox, Deadline deadline);

/// Tells success: `bound` is the address and port that BND shows.
Task<Result<void>> replySuccess(Stream& client, const Endpoint& bound, Deadline deadline);
/// Tells a failure.  The caller closes soon after (RFC 1928: within 10 seconds).
Task<Result<void>> replyFailure(Stream& client, Failure failure, Deadline deadline);

}  // namespace crossgate
