// SPDX-License-Identifier: BSD-2-Clause
// The GSSAPI client helper: the process that establishes contexts with further gateways for the workers
// (gss_protocol.h), because that reads the tickets and may wait for a KDC.
//
// The first record of a conversation names the service, the others are the hop's tokens.  Each
// conversation has a process of its own, forked for it and bounded in number and in time, so that a KDC
// that is silent holds up nobody else, and a hop that sends a harmful token harms one conversation.
//
// Tickets are those of Kerberos's default credentials cache (or KRB5CCNAME), or are got with the default
// client keytab (or KRB5_CLIENT_KTNAME): of `user` where the gateway was started as root.
#pragma once

#include <optional>

#include "gateway/log.h"
#include "gateway/system_user.h"
#include "lib/fd.h"

namespace crossgate {

/// The life of the helper process; returns when every asker is gone.  `user` is Config::systemUser.
void runGssClientHelper(const std::optional<SystemUser>& user, const Log& log, Fd questions, Fd logNews);

}  // namespace crossgate
