// SPDX-License-Identifier: BSD-2-Clause
// A rendezvous: a listening socket of the program's whose peer comes through the Gateway, by BIND (RFC
// 1928, section 4).
//
// meetAt holds the first half of the conversation, and the helper (background.h) waits for the second.
// When it has come the program's own listening socket must become readable, so that select() and its kin see
// it: the helper connects to it, and accept() gives out the Gateway's connection in place of that one.
// Whoever else connects to the socket came past the Gateway, and is turned away.
#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "lib/address.h"

namespace crossgate::socksify {

/// The Gateway listens for `expected` in place of `fd`, which shows where.  `shown` is who the program is told
/// has come; its port will be the true one.  0, or an errno with nothing changed.
int meetAt(int fd, const Destination& expected, const Endpoint& shown);

/// For every other socket, as long as there are none: one load.
bool isRendezvous(int fd) noexcept;
/// accept4() on one of them.
int acceptThroughGateway(int fd, sockaddr* address, socklen_t* length, int flags);

void lockRendezvous() noexcept;
void unlockRendezvous() noexcept;

}  // namespace crossgate::socksify
