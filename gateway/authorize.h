// SPDX-License-Identifier: BSD-2-Clause
// The stage that asks the access rules whether a subject may do what it requests: once for the name,
// and again for every address the name has.
#pragma once

#include "gateway/access.h"
#include "gateway/log.h"
#include "gateway/name_lookup.h"
#include "gateway/own_addresses.h"
#include "gateway/rule_ledger.h"

namespace crossgate {

/// Everything a verdict depends on; the referenced objects outlive the session.
struct Authorization {
  const AccessRules& rules;
  OwnAddresses& own;
  Subject subject;
  Command command;
  Destination destination;
  RuleClaims& claims;
  const Log& log;
  const std::string& relay;  ///< its id, for rules that log
};

/// The verdict on a command whose destinations are not known yet: denied when none could be permitted.  Until one is
/// known the session counts under the first rule that has room.
Result<void> authorizeCommand(const Authorization& asked);

/// The verdict before resolution.  An address is judged here for good, a name only as a name.
Result<void> authorize(const Authorization& asked);

/// The verdict where a hop will resolve the name: its addresses are not judged here, so only a rule that
/// permits the name itself will do.
Result<void> authorizeDelegated(const Authorization& asked);

/// The verdict on each address the destination's name resolves to; `asked` outlives the result.
Admit admission(const Authorization& asked);

/// One address has been chosen: the session counts under the rule that permits it, and no longer under those of the
/// others.
void settle(const Authorization& asked, const IpAddress& address);

}  // namespace crossgate
