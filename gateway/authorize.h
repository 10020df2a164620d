// SPDX-License-Identifier: BSD-2-Clause
// The stage that asks the access rules whether a subject may do what it requests: once for the name,
// and again for every address the name has.
#pragma once

#include "gateway/access.h"
#include "gateway/name_lookup.h"
#include "gateway/own_addresses.h"

namespace crossgate {

/// Everything a verdict depends on; the referenced objects outlive the session.
struct Authorization {
  const AccessRules& rules;
  OwnAddresses& own;
  Subject subject;
  Command command;
  Destination destination;
};

/// The verdict before resolution.  An address is judged here for good, a name only as a name.
Result<void> authorize(const Authorization& asked);

/// The verdict on each address the destination's name resolves to; `asked` outlives the result.
Admit admission(const Authorization& asked);

}  // namespace crossgate
