// SPDX-License-Identifier: BSD-2-Clause
// Datagram sockets: connect() and the sending calls.
#pragma once

#include <sys/socket.h>

#include "lib/address.h"

namespace crossgate::socksify {

/// connect(2) of a datagram or raw socket to an address of its own family.
int connectDatagram(int fd, const sockaddr* address, socklen_t length, const Endpoint& peer);

}  // namespace crossgate::socksify
