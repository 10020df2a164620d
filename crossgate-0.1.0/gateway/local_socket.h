// SPDX-License-Identifier: BSD-2-Clause
// Sockets bound to an address of this host, with a port out of a range that a firewall lets through.
#pragma once

#include <cstdint>
#include <optional>

#include "lib/address.h"
#include "lib/fd.h"
#include "lib/result.h"

namespace crossgate {

struct PortRange {
  std::uint16_t low = 0;  ///< 0: the kernel chooses
  std::uint16_t high = 0;

  /// "40000-40999", or a single port.
  static std::optional<PortRange> parse(std::string_view text);
};

/// One address of each family, where there is one.
struct AddressPair {
  std::optional<IpAddress> v4;
  std::optional<IpAddress> v6;
  std::optional<IpAddress>& of(Family family) { return family == Family::ipv4 ? v4 : v6; }
  const std::optional<IpAddress>& of(Family family) const { return family == Family::ipv4 ? v4 : v6; }
};

/// A listening TCP socket, non-blocking.  Failure::exhausted when no port of the range is free.
Result<Fd> listenAt(const IpAddress& address, PortRange ports);

/// A UDP socket, non-blocking, with room for bursts.  An IPv6 one takes IPv6 only.
Result<Fd> openDatagramSocket(const IpAddress& address, PortRange ports);

}  // namespace crossgate
