// SPDX-License-Identifier: BSD-2-Clause
// Datagram sockets: connect(), and what the calls that send and receive do with a message.
#pragma once

#include <sys/socket.h>

#include "lib/address.h"
#include "socksify/association.h"

namespace crossgate::socksify {

/// connect(2) of a datagram or raw socket.  `peer` is in the socket's family.
int connectDatagram(int fd, const sockaddr* address, socklen_t length, const Endpoint& peer);

/// False for an address of a family that nothing here carries.
bool mayBeInternet(const void* address, socklen_t length) noexcept;

/// What is left to do: send `message` with `flags`, as both are by then, by the C library; or nothing,
/// and `result` is the call's.
enum class Next : std::uint8_t { plain, done };
Next sendThroughGateway(int fd, msghdr& message, int& flags, ssize_t& result);

/// recvmsg() on a socket with an association.  A cancellation point.
ssize_t receiveMessage(int fd, msghdr& message, int flags);

}  // namespace crossgate::socksify
