// SPDX-License-Identifier: BSD-2-Clause
// The order in which the addresses of a name are tried: RFC 6724, section 6, over both families.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "lib/address.h"

namespace crossgate {

/// The source address the kernel would use towards a destination; empty when there is no route.
using SourceOf = std::function<std::optional<IpAddress>(const IpAddress&)>;
std::optional<IpAddress> kernelSource(const IpAddress& destination);
/// The same, remembered for a second: routes change, but not between the relays of a busy worker.
std::optional<IpAddress> recentSource(const IpAddress& destination);

/// Sorts, best first.  Destinations without a route go last instead of away: the dialler then has a
/// true errno to report.
void orderByRfc6724(std::vector<IpAddress>& destinations, const SourceOf& sourceOf = recentSource);

/// The same, and where `ipv4First` every IPv4 address before the others.
void orderAddresses(std::vector<IpAddress>& destinations, bool ipv4First);

}  // namespace crossgate
