// SPDX-License-Identifier: BSD-2-Clause
// Whose socket the other end is, where it is on this host: the kernel tells (sock_diag(7)).  For listeners on
// loopback that serve one user (`owner`).
#pragma once

#include <sys/types.h>

#include "lib/address.h"
#include "lib/result.h"

namespace crossgate {

enum class SocketKind : std::uint8_t { stream, datagram };

/// The user id of the socket at `theirs` that talks to ours at `ours`.  An Error: there is none on this
/// host, or no process holds it any more, so that nobody can say whose it was.
Result<uid_t> ownerOf(SocketKind kind, const Endpoint& theirs, const Endpoint& ours);

/// Failure::denied unless that is `owner`.
Result<void> checkOwner(uid_t owner, SocketKind kind, const Endpoint& theirs, const Endpoint& ours);

}  // namespace crossgate
