// SPDX-License-Identifier: BSD-2-Clause
// The client's request and our replies to it: SOCKS5 (RFC 1928, sections 4 and 6) with Tor's RESOLVE, SOCKS4
// and SOCKS4A.  What follows a request does not know in which version it came.
#pragma once

#include <string>

#include "gateway/access.h"
#include "gateway/stream.h"
#include "lib/socks5.h"

namespace crossgate {

enum class SocksVersion : std::uint8_t { socks4 = 4, socks5 = 5 };

struct ClientRequest {
  SocksVersion version = SocksVersion::socks5;
  Command command = Command::connect;
  Destination destination;
  bool reverse = false;  ///< resolve: the name of an address is asked for (RESOLVE_PTR)
  std::string userId;    ///< SOCKS4: what the client says it is called
};

/// The version by the client's first octet, which stays in the inbox.  Failure::malformed for any other.
Task<Result<SocksVersion>> recogniseVersion(Stream& client, Inbox& inbox, Deadline deadline);

/// Failure::unsupportedCommand and unsupportedAddress are to be told to the client; after malformed
/// and peerGone there is nothing to tell.
Task<Result<ClientRequest>> readRequest(Stream& client, Inbox& inbox, SocksVersion version,
                                        Deadline deadline);

/// Tells success: `bound` is what BND shows.
Task<Result<void>> replySuccess(Stream& client, SocksVersion version, Destination bound, Deadline deadline);
/// Tells a failure.  The caller closes soon after (RFC 1928: within 10 seconds).
Task<Result<void>> replyFailure(Stream& client, SocksVersion version, Failure failure, Deadline deadline);

}  // namespace crossgate
