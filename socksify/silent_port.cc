// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/silent_port.h"

#include <sys/socket.h>

#include <mutex>
#include <new>

#include "socksify/gateway_link.h"
#include "socksify/real.h"

namespace crossgate::socksify {
namespace {

struct Listener {
  HiddenSocket socket;
  Endpoint endpoint;
};

constinit std::mutex listenersMutex;

// Never destroyed: other libraries' destructors still use sockets.
Listener* listeners() noexcept {
  alignas(Listener) static unsigned char place[2 * sizeof(Listener)];
  static Listener* made = new (place) Listener[2];
  return made;
}

HiddenSocket tcpSocket(Family family, int flags) noexcept {
  return HiddenSocket(real().socket(toAf(family), SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

// A backlog of nothing holds one connection that nobody accepts; the kernel then drops every further
// SYN without a word.  The connection counts even after its client has closed.
bool fill(const Endpoint& endpoint) noexcept {
  const HiddenSocket client = tcpSocket(endpoint.address.family(), 0);
  sockaddr_storage storage;
  const socklen_t length = endpoint.toSockaddr(storage);
  return real().connect(client.get(), reinterpret_cast<const sockaddr*>(&storage), length) == 0;
}

bool open(Listener& listener, Family family) noexcept {
  listener.socket = tcpSocket(family, SOCK_NONBLOCK);
  const int fd = listener.socket.get();
  sockaddr_storage storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  socklen_t length = Endpoint{IpAddress::loopback(family), 0}.toSockaddr(storage);
  if (fd < 0 || real().bind(fd, address, length) != 0 || real().listen(fd, 0) != 0) return false;
  length = sizeof storage;
  if (real().getsockname(fd, address, &length) != 0) return false;
  const auto bound = Endpoint::from(address, length);
  if (!bound || !fill(*bound)) return false;
  listener.endpoint = *bound;
  return true;
}

}  // namespace

std::optional<Endpoint> silentPort(Family family) noexcept {
  const std::lock_guard lock(listenersMutex);
  Listener& listener = listeners()[static_cast<std::size_t>(family)];
  if (listener.socket.isOurs() || open(listener, family)) return listener.endpoint;
  listener.socket.reset();
  return std::nullopt;
}

void lockSilentPorts() noexcept { listenersMutex.lock(); }
void unlockSilentPorts() noexcept { listenersMutex.unlock(); }

}  // namespace crossgate::socksify
