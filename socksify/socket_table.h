// SPDX-License-Identifier: BSD-2-Clause
// SocketTable: what the program shall see of a socket that leads to the Gateway: which peer, and which
// address of its own.
//
// It is keyed by the socket's cookie (SO_COOKIE), which the kernel never gives twice: an entry follows
// its socket through dup, fork, exec and SCM_RIGHTS, and one that was forgotten (raw close) can't be
// taken for another's.  It is in TreeMemory: any number of processes may use it, without a lock.
// When a set of the table is full its oldest entries are overwritten; the socket then works as before
// and only getpeername() is poorer.
#pragma once

#include <cstdint>
#include <optional>

#include "lib/address.h"
#include "socksify/tree_memory.h"

namespace crossgate::socksify {

/// What SO_COOKIE says; 0 when `fd` is no socket.
std::uint64_t socketCookie(int fd) noexcept;

/// What is remembered of one socket.
struct ShownSocket {
  Family family = Family::ipv4;   ///< the program's view: AF_INET or AF_INET6
  Endpoint peer;                  ///< the fake or real destination, in that family
  std::optional<Endpoint> local;  ///< when it is not the socket's own
  int error = 0;                  ///< the errno of a connection that failed, until it is asked for
  bool untold = false;            ///< the wait for it was cut short: the next connect() says how it ended

  bool operator==(const ShownSocket&) const = default;
};

class SocketTable {
 public:
  explicit SocketTable(SocketArea& area) noexcept : area_(area) {}

  void remember(std::uint64_t cookie, const ShownSocket& shown) noexcept;
  std::optional<ShownSocket> lookup(std::uint64_t cookie) const noexcept;
  void forget(std::uint64_t cookie) noexcept;

 private:
  SocketArea::Slot* slotOf(std::uint64_t cookie) const noexcept;
  SocketArea::Slot* claim(std::uint64_t cookie) noexcept;

  SocketArea& area_;
};

}  // namespace crossgate::socksify
