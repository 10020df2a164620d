// SPDX-License-Identifier: BSD-2-Clause
// Servers' calls: when a program that listens means to be reached through the Gateway (RFC 1928, BIND).
#pragma once

#include <optional>

#include "lib/address.h"
#include "lib/socks5.h"

namespace crossgate::socksify {

/// The address that a connection's own end is shown to have, where it is not the socket's: that of an FTP
/// control connection is the Gateway's, because some clients (curl) offer the server this address and the
/// port of their listening socket.
std::optional<Endpoint> shownLocalEnd(const socks5::Reply& reply, const Destination& destination,
                                      Family family) noexcept;

/// A connection through the Gateway stands: a later listen() may belong to it, as the data connection
/// of active FTP belongs to its control connection.  `peer` is what the program takes for its peer.
void noteConnection(int fd, const Destination& destination, const Endpoint& peer) noexcept;

/// getsockname() of a socket that may be such a one: from now on it shows where the Gateway listens.
void meetAtGateway(int fd) noexcept;

void lockServers() noexcept;
void unlockServers() noexcept;

}  // namespace crossgate::socksify
