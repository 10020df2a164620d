// SPDX-License-Identifier: BSD-2-Clause
// The GSSAPI helper: the process that holds the service's Kerberos keys and establishes contexts for the
// workers (gss_protocol.h), so that no worker can read the keytab, and none waits for the replay cache.
//
// It reads the keytab with the privileges of the start, drops them, and only then looks at the first
// octet of a client.  A context that stands is exported to the worker that relays, and forgotten here.
// Conversations are bounded in number and in time.
#pragma once

#include <optional>

#include "gateway/gss_level.h"
#include "gateway/log.h"
#include "gateway/system_user.h"
#include "lib/fd.h"

namespace crossgate {

/// The life of the helper process; returns when every asker is gone.  `user` is Config::systemUser,
/// `logNews` as LogFollower takes it.
void runGssHelper(const GssConfig& config, const std::optional<SystemUser>& user, const Log& log, Fd questions,
                  Fd logNews);

}  // namespace crossgate
