// SPDX-License-Identifier: BSD-2-Clause
// The connections through the Gateway that a listening socket may belong to, as the data connection of
// active FTP belongs to its control connection, and the sockets that were bound without a port.
#pragma once

#include <cstdint>
#include <optional>

#include "lib/address.h"
#include "lib/socks5.h"

namespace crossgate::socksify {

struct ControlConnection {
  int fd = -1;
  std::uint64_t cookie = 0;
  IpAddress local;  // the socket's own, unmapped
  std::optional<IpAddress> shownLocal;
  IpAddress seenLocal;  // the one that the program sees, unmapped
  Destination destination;
  Endpoint peer;  // as the program knows it
};

/// The address that a connection's own end is shown to have, where it is not the socket's: that of an FTP
/// control connection is the Gateway's, because some clients (curl) offer the server this address and the
/// port of their listening socket.
std::optional<Endpoint> shownLocalEnd(const socks5::Reply& reply, const Destination& destination,
                                      Family family) noexcept;

/// A connection through the Gateway stands.  `peer` is what the program takes for its peer.
void noteConnection(int fd, const Destination& destination, const Endpoint& peer) noexcept;
/// False, at the cost of one load, until the first.
bool anyControlConnection() noexcept;

/// The latest that is still open and has this address on its own side.
std::optional<ControlConnection> connectionFrom(const IpAddress& local);
/// Whether this, unmapped, is the address that one has on its own side, as the program sees it.
bool isOwnEnd(const IpAddress& address);
/// What bind() has to be told for an address that only the program believes to be its own.
std::optional<Endpoint> ownInPlaceOf(const Endpoint& wanted);

void noteBoundWithoutPort(std::uint64_t cookie);
/// True once.
bool takeBoundWithoutPort(std::uint64_t cookie);

void lockControlConnections() noexcept;
void unlockControlConnections() noexcept;

}  // namespace crossgate::socksify
