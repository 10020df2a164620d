// SPDX-License-Identifier: BSD-2-Clause
// What the doctor looks at outside the process: addresses that can be bound, routes, name servers, hops.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "gateway/config.h"
#include "gateway/doctor_findings.h"

namespace crossgate {

/// Binds every listener's address for a moment, except those that `running`, the master, holds.
void examineListeners(const Config& config, std::optional<pid_t> running, Findings& findings);

/// The addresses that destinations and clients are told, and whether each family has a route.
void examineAddresses(const Config& config, Findings& findings);

/// Asks each name server for `name` and connects to each first hop, all at once, within five seconds.
void examinePeers(const Config& config, const std::string& name, Findings& findings);

}  // namespace crossgate
