// SPDX-License-Identifier: BSD-2-Clause
// The auth helper: the process that answers the workers' questions about logins (auth_protocol.h), so
// that no worker can read the password file and no slow hash stalls a relay.
//
// On the way of a login: a source that has failed too often is refused; a login that succeeded a
// moment ago is accepted at once; any other waits for its turn (one per source at a time, so that
// no source keeps the others waiting) and for a free checker; the answer to a failure is held back.
//
// Of what it holds, everything is bounded: logins that wait, and both tables of login_memory.h.
#pragma once

#include <sys/types.h>

#include <chrono>

#include "gateway/config.h"
#include "lib/fd.h"
#include "lib/result.h"

namespace crossgate {

/// The life of the helper process; returns when every asker is gone.
void runAuthHelper(const AuthConfig& config, const Log& log, Fd questions);

}  // namespace crossgate
