// SPDX-License-Identifier: BSD-2-Clause
// bind(), listen(), accept(): a program that wants to be called back by the peer of a connection that
// goes through the Gateway (active FTP) is reached through BIND; every other listening socket is left
// alone.  `bind = auto` takes a socket for such a one when it was bound, without a port of its own, to
// the very address that the program is told the connection has on this side.
//
// getsockname() or listen(), whichever comes first (BSD's ftp asks for its port before it listens), asks the
// Gateway to listen (rendezvous.h); getsockname() then shows where it does.
#include "socksify/servers.h"

#include <sys/socket.h>

#include <optional>

#include "socksify/connect.h"
#include "socksify/control_connections.h"
#include "socksify/process.h"
#include "socksify/real.h"
#include "socksify/rendezvous.h"
#include "socksify/socket_table.h"
#include "socksify/socks_lib.h"
#include "socksify/swap.h"

namespace crossgate::socksify {
namespace {

// Whom a listening socket expects, if it has to be the Gateway that listens.
std::optional<ControlConnection> expectedBy(int fd) {
  const BindRule rule = SocksLib::get().config().bind;
  if (rule == BindRule::never || socketOption(fd, SO_TYPE) != SOCK_STREAM) return std::nullopt;
  const auto local = localEndpoint(fd);
  if (!local || local->address.isLoopback()) return std::nullopt;
  const bool withoutPort = takeBoundWithoutPort(socketCookie(fd));
  if (rule == BindRule::automatic && !withoutPort) return std::nullopt;
  auto connection = connectionFrom(local->address.unmapped());
  if (connection || rule == BindRule::automatic) return connection;
  // Anybody may come: RFC 1928 asks for the host expected, and all zeros is what servers take for none.
  ControlConnection anybody;
  anybody.destination = Destination{IpAddress::any(local->address.family()), 0};
  anybody.peer = {IpAddress::any(local->address.family()), 0};
  return anybody;
}

}  // namespace

void meetAtGateway(int fd) noexcept {
  if (!anyControlConnection() || !mayConnect(fd) || inVforkChild()) return;
  if (SocksLib::get().config().bind != BindRule::automatic) return;  // `always` waits for listen()
  const std::uint64_t cookie = socketCookie(fd);
  const auto expected = expectedBy(fd);
  if (expected && meetAt(fd, expected->destination, expected->peer) != 0) noteBoundWithoutPort(cookie);  // listen() will tell
}

}  // namespace crossgate::socksify

using namespace crossgate;
using namespace crossgate::socksify;

extern "C" {

int bind(int fd, const sockaddr* address, socklen_t length) noexcept {
  if (!mayConnect(fd) || inVforkChild()) return real().bind(fd, address, length);
  const auto wanted = anyControlConnection() ? Endpoint::from(address, length) : std::nullopt;
  const auto own = wanted ? ownInPlaceOf(*wanted) : std::nullopt;
  sockaddr_storage storage;
  if (own) {
    length = own->toSockaddr(storage);
    address = reinterpret_cast<const sockaddr*>(&storage);
  }
  const int result = real().bind(fd, address, length);
  if (result != 0 || !wanted || wanted->port != 0) return result;
  const KeepErrno keep;
  if (isOwnEnd(wanted->address.unmapped())) noteBoundWithoutPort(socketCookie(fd));
  return result;
}

int listen(int fd, int backlog) noexcept {
  if (!mayConnect(fd) || inVforkChild()) return real().listen(fd, backlog);
  const int before = errno;
  const auto expected = expectedBy(fd);
  if (real().listen(fd, backlog) != 0) return -1;
  // One whose peer comes through the Gateway is watched until it is closed.
  if (!expected && !isRendezvous(fd)) settled(fd);
  if (expected) {
    if (const int error = meetAt(fd, expected->destination, expected->peer); error != 0) {
      errno = error;
      return -1;
    }
  }
  errno = before;
  return 0;
}

int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  if (!isRendezvous(fd)) return real().accept4(fd, address, length, flags);
  return acceptThroughGateway(fd, address, length, flags);
}

int accept(int fd, sockaddr* address, socklen_t* length) {
  if (!isRendezvous(fd)) return real().accept(fd, address, length);
  return acceptThroughGateway(fd, address, length, 0);
}

}  // extern "C"
