// SPDX-License-Identifier: BSD-2-Clause
// The header of the PROXY protocol, versions 1 (text) and 2 (binary): a load balancer sends it in front
// of everything else and tells with it who the client is.  No I/O here.
//
// Whoever may connect could forge one, so it is only read on listeners that say `proxy from`, and
// from the sources named there.
#pragma once

#include <optional>

#include "lib/address.h"
#include "lib/octets.h"

namespace crossgate {

struct ProxyHeader {
  /// Empty when the load balancer speaks for itself (LOCAL), or of something that is no TCP client of
  /// either family (UNKNOWN): then the connection's own peer is the client.
  std::optional<Endpoint> client;
};

/// The longest header that is taken: version 2 with addresses and some room for its extensions.
inline constexpr std::size_t longestProxyHeader = 2048;

Decoded<ProxyHeader> decodeProxyHeader(Reader& in);

}  // namespace crossgate
