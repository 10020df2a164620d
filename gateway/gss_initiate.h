// SPDX-License-Identifier: BSD-2-Clause
// The GSSAPI method from the client's side (RFC 1961), for a hop of the chain that has chosen it: the
// tokens come from the client helper (gss_client_helper.h), which knows the tickets.
//
// Fails with noCredentials (no ticket for the hop, or no helper), denied (a hop that is not who it should be, or
// one that protects less than it must; the hop is told by an abort frame), malformed, peerGone or timedOut.
#pragma once

#include "gateway/gss_conversation.h"

namespace crossgate {

/// Meets the `service` (as in rcmd@gw.example.org) behind `hop`.  `least` is what messages must be protected
/// by, and what is asked for: a hop may answer with more.
Task<Result<GssSession>> initiateGss(GssDesk& desk, Stream& hop, Inbox& inbox, const std::string& service,
                                     GssLevel least, Deadline deadline);

}  // namespace crossgate
