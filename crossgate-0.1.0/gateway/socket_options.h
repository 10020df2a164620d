// SPDX-License-Identifier: BSD-2-Clause
// The socket options of the two sides of a relay.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace crossgate {

/// Sets an integer option.  Options are wishes: a kernel that refuses one does not end a relay.
inline void setOption(int fd, int level, int name, int value) noexcept {
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

/// What every TCP side of a relay has: no delay for small messages, and keepalive.
inline void setRelayOptions(int fd, bool keepalive) noexcept {
  setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (keepalive) setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

/// Makes the close that follows send RST, so that a reset of one side is one on the other.
inline void resetOnClose(int fd) noexcept {
  const linger hard{1, 0};
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

}  // namespace crossgate
