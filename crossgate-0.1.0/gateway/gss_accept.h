// SPDX-License-Identifier: BSD-2-Clause
// The GSSAPI method from the server's side (RFC 1961): the client's tokens go to the helper until a
// context stands, and then the two sides agree on how messages are protected.
//
// Fails with denied (the client is told by an abort frame), malformed, peerGone or timedOut.
#pragma once

#include "gateway/gss_conversation.h"

namespace crossgate {

Task<Result<GssSession>> acceptGss(GssDesk& desk, Stream& client, Inbox& inbox, const GssConfig& config,
                                   Deadline deadline);

}  // namespace crossgate
