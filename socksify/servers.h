// SPDX-License-Identifier: BSD-2-Clause
// Servers' calls: when a program that listens means to be reached through the Gateway (RFC 1928, BIND).
#pragma once

#include "lib/address.h"

namespace crossgate::socksify {

/// A connection through the Gateway stands: a later listen() may belong to it, as the data connection
/// of active FTP belongs to its control connection.  `peer` is what the program takes for its peer.
void noteConnection(int fd, const Destination& destination, const Endpoint& peer) noexcept;

/// getsockname() of a socket that may be such a one: from now on it shows where the Gateway listens.
void meetAtGateway(int fd) noexcept;

void lockServers() noexcept;
void unlockServers() noexcept;

}  // namespace crossgate::socksify
