// SPDX-License-Identifier: BSD-2-Clause
// Datagrams on their way out and in.  A datagram to a destination behind the Gateway
// gets the header of RFC 1928, section 7, and goes to the relay of the socket's association; what comes
// from there loses its header, and the program sees who sent it.  A datagram to the program's own
// loopback or to a `direct` destination goes as it is.  What can't be carried is refused (ENETUNREACH).
//
// The receiving calls look at the header first (MSG_PEEK) and then receive header and payload in one
// piece, each where it belongs, so that no buffer of ours is needed however large the datagram is.
//
// With MSG_FASTOPEN the sending calls are the connect() of a stream socket too.
#include "socksify/datagram.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "socksify/association.h"
#include "socksify/cancellation.h"
#include "socksify/connect.h"
#include "socksify/real.h"
#include "socksify/socks_lib.h"
#include "socksify/swap.h"

namespace crossgate::socksify {
namespace {

constexpr std::size_t maxHeader = 4 + 1 + maxNameOctets + 2;
constexpr std::size_t maxParts = 1024;  // IOV_MAX

int fail(int error) noexcept {
  errno = error;
  return -1;
}

// A message's parts, with room for a header before them.
std::vector<iovec> withHeader(void* header, std::size_t octets, const msghdr& message) {
  std::vector<iovec> parts;
  parts.reserve(message.msg_iovlen + 1);
  parts.push_back({header, octets});
  parts.insert(parts.end(), message.msg_iov, message.msg_iov + message.msg_iovlen);
  return parts;
}

// UDP_SEGMENT makes several datagrams of one message, of which only the first would have the header.
bool asksForSegments(const msghdr& message) noexcept {
  auto& whole = const_cast<msghdr&>(message);
  for (cmsghdr* one = CMSG_FIRSTHDR(&whole); one != nullptr; one = CMSG_NXTHDR(&whole, one)) {
    if (one->cmsg_level == SOL_UDP && one->cmsg_type == UDP_SEGMENT) return true;
  }
  return false;
}

// ---- the socket and the relay's family ----------------------------------------------------------

// True when the socket can send to an address of that family.
bool reaches(int fd, Family family) noexcept {
  if (familyOfSocket(fd) == family) return true;
  if (family == Family::ipv6) return false;
  int only = 0;
  socklen_t length = sizeof only;
  real().getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &length);
  // An IPv6 socket that is not bound yet may still become one for both.
  const int off = 0;
  return only == 0 || real().setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0;
}

// The relay's address as the socket under `fd` can use it.  A socket that can't reach the relay's
// family is replaced by one that reaches both, bound to the same port.
Endpoint reachable(int fd, const Endpoint& relay) {
  if (reaches(fd, relay.address.family())) {
    return familyOfSocket(fd) == Family::ipv6 ? Endpoint{relay.address.mapped(), relay.port} : relay;
  }
  const auto local = localEndpoint(fd);
  HiddenSocket replacement(real().socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage;
  const socklen_t length = Endpoint{IpAddress::any(Family::ipv6), local ? local->port : std::uint16_t{0}}.toSockaddr(storage);
  ShownSocket shown = SocksLib::get().sockets().lookup(socketCookie(fd)).value_or(ShownSocket{});
  shown.local = local;
  SocksLib::get().sockets().remember(replacement.cookie(), shown);
  moveAssociation(socketCookie(fd), replacement.cookie());
  swapUnder({fd}, std::move(replacement));
  real().bind(fd, reinterpret_cast<const sockaddr*>(&storage), length);
  return {relay.address.mapped(), relay.port};
}

int connectTo(int fd, const Endpoint& endpoint) {
  sockaddr_storage storage;
  const socklen_t length = endpoint.toSockaddr(storage);
  return real().connect(fd, reinterpret_cast<const sockaddr*>(&storage), length);
}

// A connected socket hears nobody but the one it is connected to: that must be the relay.
void stayConnectedTo(int fd, const Endpoint& relay) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (real().getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return;
  if (Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), length) != relay) connectTo(fd, relay);
}

// ---- sending ------------------------------------------------------------------------------------

// One datagram to `destination`, with the header before the program's own parts.
ssize_t sendThroughRelay(int fd, const msghdr& message, int flags, Association& association,
                         const Endpoint& to, const Destination& destination) {
  auto relay = association.relay();
  if (!relay) {
    tell("a datagram to %s: %s", destination.toString().c_str(), relay.error().detail.c_str());
    return fail(relay.error().failure == Failure::unsupportedCommand ? ENETUNREACH
                                                                     : errnoOf(relay.error().failure));
  }
  if (message.msg_iovlen >= maxParts) return fail(EMSGSIZE);
  if (asksForSegments(message)) return fail(EINVAL);
  Octets header;
  encode(socks5::UdpHeader{0, destination}, header);
  std::vector<iovec> parts = withHeader(header.data(), header.size(), message);

  sockaddr_storage storage;
  msghdr whole = message;
  const Endpoint target = reachable(fd, *relay);
  if (association.peer()) stayConnectedTo(fd, target);
  whole.msg_namelen = target.toSockaddr(storage);
  whole.msg_name = &storage;
  whole.msg_iov = parts.data();
  whole.msg_iovlen = parts.size();
  association.noteSent(to);
  const ssize_t sent = real().sendmsg(fd, &whole, flags);
  return sent < 0 ? sent : std::max<ssize_t>(sent - static_cast<ssize_t>(header.size()), 0);
}

// A message to an address, or on a socket whose peer is behind the Gateway.
[[gnu::noinline]] ssize_t sendMessage(int fd, const msghdr& message, int flags, const Endpoint& to) {
  const Uncancelled whole;
  const Route route = SocksLib::get().routeTo(to, false);
  switch (route.kind) {
    case Route::Kind::direct:
      if (!(route.destination == Destination{})) return fail(ENETUNREACH);  // a fake of a `direct` name
      return real().sendmsg(fd, &message, flags);
    case Route::Kind::refused:
      tell("a datagram to %s is refused", to.toString().c_str());
      return fail(route.error);
    case Route::Kind::gateway: break;
  }
  const auto association = associate(fd, to.address.family());
  return sendThroughRelay(fd, message, flags, *association, to, route.destination);
}

// The destination in a message to an IPv4 or IPv6 socket.  The kernel takes AF_UNSPEC for AF_INET there.
std::optional<Endpoint> destinationOf(const msghdr& message) noexcept {
  sockaddr_storage storage{};
  const socklen_t length = std::min<socklen_t>(message.msg_namelen, sizeof storage);
  std::memcpy(&storage, message.msg_name, length);
  if (storage.ss_family == AF_UNSPEC) storage.ss_family = AF_INET;
  return Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), length);
}

// A message without an address: it goes to the peer of connect().
[[gnu::noinline]] Next sendUnnamed(int fd, const msghdr& message, int flags, ssize_t& result) {
  const auto association = associationOf(fd);
  const auto peer = association ? association->peer() : std::nullopt;
  if (!peer) return Next::plain;
  result = sendMessage(fd, message, flags, *peer);
  return Next::done;
}

// MSG_FASTOPEN: the connect() of a stream socket, and its first octets.
Next connectAndSend(int fd, msghdr& message, int& flags, ssize_t& result) {
  flags &= ~MSG_FASTOPEN;
  result = connectSocket(fd, static_cast<const sockaddr*>(message.msg_name), message.msg_namelen);
  message.msg_name = nullptr;
  message.msg_namelen = 0;
  return result == 0 ? Next::plain : Next::done;
}

Next sendNamed(int fd, msghdr& message, int& flags, ssize_t& result) {
  const auto family = static_cast<const sockaddr*>(message.msg_name)->sa_family;
  const int type = socketOption(fd, SO_TYPE);
  if (type == SOCK_STREAM && (flags & MSG_FASTOPEN) != 0 && family != AF_UNSPEC)
    return connectAndSend(fd, message, flags, result);
  if (type < 0 || type == SOCK_STREAM) return Next::plain;
  const int domain = socketOption(fd, SO_DOMAIN);
  if (domain == AF_INET6 && family == AF_UNSPEC) {
    message.msg_name = nullptr;
    message.msg_namelen = 0;
    return sendUnnamed(fd, message, flags, result);
  }
  const auto to = destinationOf(message);
  // What the kernel refuses by itself: too short, IPv6 on an IPv4 socket, a socket of another family.
  if (!to || (domain != AF_INET6 && (domain != AF_INET || !to->address.isV4()))) return Next::plain;
  result = sendMessage(fd, message, flags, *to);
  return Next::done;
}

}  // namespace

bool mayBeInternet(const void* address, socklen_t length) noexcept {
  if (address == nullptr || length < sizeof(sa_family_t)) return false;
  const auto family = static_cast<const sockaddr*>(address)->sa_family;
  return family == AF_INET || family == AF_INET6 || family == AF_UNSPEC;
}

Next sendThroughGateway(int fd, msghdr& message, int& flags, ssize_t& result) {
  if (mayBeInternet(message.msg_name, message.msg_namelen)) return sendNamed(fd, message, flags, result);
  if (message.msg_name == nullptr && mayBeAssociated(fd)) return sendUnnamed(fd, message, flags, result);
  return Next::plain;
}

namespace {

// ---- receiving ----------------------------------------------------------------------------------

/// The head of the next datagram, and where it came from.
struct Incoming {
  std::array<std::uint8_t, maxHeader> head;
  std::size_t octets = 0;
  sockaddr_storage from{};
  socklen_t length = sizeof from;
};

// Waits for one as `flags` and the socket have it: a cancellation point, like all of receiveMessage().
bool peek(int fd, int flags, Incoming& incoming) {
  const ssize_t got =
      real().recvfrom(fd, incoming.head.data(), incoming.head.size(), MSG_PEEK | (flags & MSG_DONTWAIT),
                      reinterpret_cast<sockaddr*>(&incoming.from), &incoming.length);
  incoming.octets = static_cast<std::size_t>(std::max<ssize_t>(got, 0));
  return got >= 0;
}

void discard(int fd) {
  char octet;
  real().recv(fd, &octet, 1, MSG_DONTWAIT);
}

void showSender(msghdr& message, const Endpoint& sender, socklen_t room) noexcept {
  if (message.msg_name == nullptr) return;
  sockaddr_storage storage;
  const socklen_t length = sender.toSockaddr(storage);
  std::memcpy(message.msg_name, &storage, std::min(length, room));
  message.msg_namelen = length;
}

// The datagram that was seen, its header apart.  -1 with EAGAIN if another thread took it meanwhile.
ssize_t receiveFromRelay(int fd, msghdr& message, int flags, Association& association,
                         std::size_t headerOctets, const Destination& sender) {
  std::array<std::uint8_t, maxHeader> head;
  std::vector<iovec> parts = withHeader(head.data(), headerOctets, message);
  msghdr whole = message;
  whole.msg_iov = parts.data();
  whole.msg_iovlen = parts.size();
  const ssize_t got = real().recvmsg(fd, &whole, flags | MSG_DONTWAIT);
  if (got < 0) return got;
  message.msg_flags = whole.msg_flags;
  message.msg_controllen = whole.msg_controllen;
  showSender(message, association.shownSender(sender), message.msg_namelen);
  return std::max<ssize_t>(got - static_cast<ssize_t>(headerOctets), 0);
}

enum class Taken : std::uint8_t { plain, unwanted, done };

// What has come: for the C library to receive, for nobody, or received with its `result`.
[[gnu::noinline]] Taken take(int fd, msghdr& message, int flags, const Incoming& incoming, ssize_t& result) {
  const Uncancelled whole;
  const auto association = associationOf(fd);
  if (association == nullptr) return Taken::plain;
  const auto from = Endpoint::from(reinterpret_cast<const sockaddr*>(&incoming.from), incoming.length);
  if (!from) return Taken::unwanted;
  if (!association->isRelay(*from)) {
    const bool direct = SocksLib::get().routeTo(from->unmapped(), false).kind == Route::Kind::direct;
    return direct ? Taken::plain : Taken::unwanted;
  }
  Reader reader(OctetSpan(incoming.head).first(incoming.octets));
  auto header = socks5::decodeUdpHeader(reader);
  // The Gateway puts together what arrives in fragments, so that none is sent to us.
  if (!header || header->fragment != 0) return Taken::unwanted;
  result = receiveFromRelay(fd, message, flags, *association, reader.position(), header->destination);
  return Taken::done;
}

}  // namespace

ssize_t receiveMessage(int fd, msghdr& message, int flags) {
  // Errors have a queue of their own, without headers.
  if ((flags & MSG_ERRQUEUE) != 0) return real().recvmsg(fd, &message, flags);
  for (;;) {
    Incoming incoming;
    if (!peek(fd, flags, incoming)) return -1;
    ssize_t got = -1;
    switch (take(fd, message, flags, incoming, got)) {
      case Taken::plain: return real().recvmsg(fd, &message, flags);
      case Taken::unwanted: discard(fd); continue;
      case Taken::done: break;
    }
    if (got >= 0 || errno != EAGAIN || (flags & MSG_DONTWAIT) != 0) return got;
    if ((real().fcntl(fd, F_GETFL) & O_NONBLOCK) != 0) return got;
  }
}

// Connecting the real socket to the Gateway sends nothing, but gives it the local address that it is
// going to have.
int connectDatagram(int fd, const sockaddr* address, socklen_t length, const Endpoint& peer) {
  const Route route = SocksLib::get().routeTo(peer, false);
  if (route.kind == Route::Kind::refused) return fail(route.error);
  if (route.kind == Route::Kind::direct) {
    if (!(route.destination == Destination{})) return fail(ENETUNREACH);
    if (real().connect(fd, address, length) != 0) return -1;
    forgetPeer(fd);
    return 0;
  }
  if (socketOption(fd, SO_TYPE) != SOCK_DGRAM) return fail(ENETUNREACH);
  auto gateway = SocksLib::get().gatewayAddresses();
  if (!gateway) return fail(ENETUNREACH);
  const auto association = associate(fd, peer.address.family());
  association->setPeer(peer);
  const auto same = std::find_if(gateway->begin(), gateway->end(), [&](const Endpoint& one) {
    return one.address.family() == peer.address.family();
  });
  const Endpoint target = reachable(fd, same != gateway->end() ? *same : gateway->front());
  if (connectTo(fd, target) != 0) return -1;
  auto shown = SocksLib::get().sockets().lookup(socketCookie(fd)).value_or(ShownSocket{});
  shown.family = peer.address.family();
  shown.peer = peer;
  SocksLib::get().sockets().remember(socketCookie(fd), shown);
  return 0;
}

}  // namespace crossgate::socksify
