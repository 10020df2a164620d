// SPDX-License-Identifier: BSD-2-Clause
// What the interposed connect() does, for the other hooks that connect too (MSG_FASTOPEN, syscall()).
#pragma once

#include <sys/socket.h>

#include <optional>

#include "lib/address.h"

namespace crossgate::socksify {

/// connect(2) with its errno, for a socket and address of any kind.  A cancellation point.
int connectSocket(int fd, const sockaddr* address, socklen_t length);

/// What a socket's earlier connect() left behind here is gone: it has another peer now, or none.
void forgetPeer(int fd) noexcept;

/// An integer socket option; -1 when `fd` is no socket.
int socketOption(int fd, int option) noexcept;

/// Where an internet socket is bound.
std::optional<Endpoint> localEndpoint(int fd) noexcept;

/// The family of an internet socket.
Family familyOfSocket(int fd) noexcept;

}  // namespace crossgate::socksify
