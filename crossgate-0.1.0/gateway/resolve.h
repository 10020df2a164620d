// SPDX-License-Identifier: BSD-2-Clause
// The stage that answers RESOLVE and RESOLVE_PTR, Tor's extension of SOCKS5: it tells a client that asks
// whether a name exists, which is what RFC 3089 (section 6) misses in the mechanism.
#pragma once

#include "gateway/name_lookup.h"
#include "lib/address.h"

namespace crossgate {

/// The address of a name, an IPv4 one where there is any, because that is what RESOLVE's clients know
/// best; a literal address is its own answer.  Fails as lookUp() does.
Task<Result<Destination>> resolve(Resolver& resolver, Preference prefer, Destination asked, Admit admit,
                                  Deadline deadline);

/// The name of an address.  Failure::noSuchName; unsupportedAddress when a name was given.
Task<Result<Destination>> resolveReverse(Resolver& resolver, Destination asked, Deadline deadline);

}  // namespace crossgate
