// SPDX-License-Identifier: BSD-2-Clause
// Questions to the Gateway about names: RESOLVE and RESOLVE_PTR (Tor's extension of SOCKS5).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "lib/address.h"
#include "lib/result.h"
#include "lib/socks5.h"
#include "socksify/gateway_link.h"

namespace crossgate::socksify {

/// Holds a whole conversation on a socket of its own, up to the config's timeout.  The reply is told
/// only when it is a success; `socket`, if not null, gets the connection that the reply came on, and
/// `kept` the whole conversation, to go on with, or to see how far it has come when it fails.
Result<socks5::Reply> askGateway(const socks5::Request& request, HiddenSocket* socket = nullptr,
                                 std::unique_ptr<GatewayLink>* kept = nullptr);

/// False only when the Gateway says that the name has no address: one that can't tell (it does not know
/// RESOLVE, or is not there) leaves it to the connection to fail.
bool askGatewayForAddress(const std::string& name) noexcept;

std::optional<std::string> askGatewayForName(const IpAddress& address) noexcept;

}  // namespace crossgate::socksify
