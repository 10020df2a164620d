// SPDX-License-Identifier: BSD-2-Clause
// Datagrams: every call that sends or receives one.  A datagram to a destination behind the Gateway
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
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "socksify/association.h"
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

bool isInternet(const void* address, socklen_t length) noexcept {
  if (address == nullptr || length < sizeof(sa_family_t)) return false;
  const auto family = static_cast<const sockaddr*>(address)->sa_family;
  return family == AF_INET || family == AF_INET6;
}

// A message's parts, with room for a header before them.
std::vector<iovec> withHeader(void* header, std::size_t octets, const msghdr& message) {
  std::vector<iovec> parts;
  parts.reserve(message.msg_iovlen + 1);
  parts.push_back({header, octets});
  parts.insert(parts.end(), message.msg_iov, message.msg_iov + message.msg_iovlen);
  return parts;
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
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  real().getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length);
  const auto local = Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), length);
  HiddenSocket replacement(real().socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  length = Endpoint{IpAddress::any(Family::ipv6), local ? local->port : std::uint16_t{0}}.toSockaddr(storage);
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
ssize_t sendMessage(int fd, const msghdr& message, int flags, const Endpoint& to) {
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

enum class Next : std::uint8_t { plain, done };

// A message with an address in it.  Next::plain: it is for the C library, as `message` is by then.
Next sendNamed(int fd, msghdr& message, int& flags, ssize_t& result) {
  const auto to = Endpoint::from(static_cast<const sockaddr*>(message.msg_name), message.msg_namelen);
  if (!to) return Next::plain;
  const int type = socketOption(fd, SO_TYPE);
  if (type == SOCK_STREAM) {
    if ((flags & MSG_FASTOPEN) == 0) return Next::plain;
    flags &= ~MSG_FASTOPEN;
    result = connectSocket(fd, static_cast<const sockaddr*>(message.msg_name), message.msg_namelen);
    message.msg_name = nullptr;
    message.msg_namelen = 0;
    return result == 0 ? Next::plain : Next::done;
  }
  if (type < 0) return Next::plain;
  result = sendMessage(fd, message, flags, *to);
  return Next::done;
}

// A message without: it goes to the peer of connect().
Next sendUnnamed(int fd, const msghdr& message, int flags, ssize_t& result) {
  const auto association = associationOf(fd);
  const auto peer = association ? association->peer() : std::nullopt;
  if (!peer) return Next::plain;
  result = sendMessage(fd, message, flags, *peer);
  return Next::done;
}

Next sendAny(int fd, msghdr& message, int& flags, ssize_t& result) {
  if (isInternet(message.msg_name, message.msg_namelen)) return sendNamed(fd, message, flags, result);
  if (message.msg_name == nullptr && mayBeAssociated(fd)) return sendUnnamed(fd, message, flags, result);
  return Next::plain;
}

// ---- receiving ----------------------------------------------------------------------------------

struct Incoming {
  enum class Kind : std::uint8_t { fromRelay, direct, unwanted, nothing } kind = Kind::nothing;
  std::size_t headerOctets = 0;
  Destination sender{};
};

// Looks at the next datagram; waits for one as `flags` and the socket have it.
Incoming look(int fd, int flags, const Association& association) {
  std::array<std::uint8_t, maxHeader> head;
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  const int peek = MSG_PEEK | (flags & MSG_DONTWAIT);
  const ssize_t got =
      real().recvfrom(fd, head.data(), head.size(), peek, reinterpret_cast<sockaddr*>(&storage), &length);
  if (got < 0) return {};
  const auto from = Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), length);
  if (!from) return {Incoming::Kind::unwanted};
  if (!association.isRelay(*from)) {
    const bool direct = SocksLib::get().routeTo(from->unmapped(), false).kind == Route::Kind::direct;
    return {direct ? Incoming::Kind::direct : Incoming::Kind::unwanted};
  }
  Reader reader(OctetSpan(head).first(static_cast<std::size_t>(got)));
  auto header = socks5::decodeUdpHeader(reader);
  // The Gateway puts together what arrives in fragments, so that none is sent to us.
  if (!header || header->fragment != 0) return {Incoming::Kind::unwanted};
  return {Incoming::Kind::fromRelay, reader.position(), std::move(header->destination)};
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

// The datagram that look() saw, its header apart.  -1 with EAGAIN if another thread took it meanwhile.
ssize_t receiveFromRelay(int fd, msghdr& message, int flags, Association& association,
                         const Incoming& incoming) {
  std::array<std::uint8_t, maxHeader> head;
  std::vector<iovec> parts = withHeader(head.data(), incoming.headerOctets, message);
  msghdr whole = message;
  whole.msg_iov = parts.data();
  whole.msg_iovlen = parts.size();
  const ssize_t got = real().recvmsg(fd, &whole, flags | MSG_DONTWAIT);
  if (got < 0) return got;
  message.msg_flags = whole.msg_flags;
  message.msg_controllen = whole.msg_controllen;
  showSender(message, association.shownSender(incoming.sender), message.msg_namelen);
  return std::max<ssize_t>(got - static_cast<ssize_t>(incoming.headerOctets), 0);
}

// recvmsg() on a socket with an association.
ssize_t receiveMessage(int fd, msghdr& message, int flags, Association& association) {
  for (;;) {
    const Incoming incoming = look(fd, flags, association);
    switch (incoming.kind) {
      case Incoming::Kind::nothing: return -1;
      case Incoming::Kind::direct: return real().recvmsg(fd, &message, flags);
      case Incoming::Kind::unwanted: discard(fd); continue;
      case Incoming::Kind::fromRelay: break;
    }
    const ssize_t got = receiveFromRelay(fd, message, flags, association, incoming);
    if (got >= 0 || errno != EAGAIN || (flags & MSG_DONTWAIT) != 0) return got;
    if ((real().fcntl(fd, F_GETFL) & O_NONBLOCK) != 0) return got;
  }
}

ssize_t receiveInto(int fd, void* data, size_t size, int flags, sockaddr* address, socklen_t* length,
                    Association& association) {
  iovec part{data, size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (address != nullptr && length != nullptr) {
    message.msg_name = address;
    message.msg_namelen = *length;
  }
  const ssize_t got = receiveMessage(fd, message, flags, association);
  if (got >= 0 && address != nullptr && length != nullptr) *length = message.msg_namelen;
  return got;
}

}  // namespace

// Connecting the real socket to the Gateway sends nothing, but gives it the local address that it is
// going to have.
int connectDatagram(int fd, const sockaddr* address, socklen_t length, const Endpoint& peer) {
  const Route route = SocksLib::get().routeTo(peer, false);
  if (route.kind == Route::Kind::refused) return fail(route.error);
  if (route.kind == Route::Kind::direct) {
    if (!(route.destination == Destination{})) return fail(ENETUNREACH);
    return real().connect(fd, address, length);
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

using namespace crossgate;
using namespace crossgate::socksify;

extern "C" {

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  if (message == nullptr) return real().sendmsg(fd, message, flags);
  msghdr mine = *message;
  ssize_t result = -1;
  return sendAny(fd, mine, flags, result) == Next::done ? result : real().sendmsg(fd, &mine, flags);
}

ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* address, socklen_t length) {
  if (!isInternet(address, length) && !mayBeAssociated(fd)) {
    return real().sendto(fd, data, size, flags, address, length);
  }
  iovec part{const_cast<void*>(data), size};
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(address);
  message.msg_namelen = length;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return sendmsg(fd, &message, flags);
}

ssize_t send(int fd, const void* data, size_t size, int flags) {
  if (!mayBeAssociated(fd)) return real().send(fd, data, size, flags);
  return sendto(fd, data, size, flags, nullptr, 0);
}

ssize_t write(int fd, const void* data, size_t size) {
  if (!mayBeAssociated(fd) || associationOf(fd) == nullptr) return real().write(fd, data, size);
  return sendto(fd, data, size, 0, nullptr, 0);
}

ssize_t writev(int fd, const iovec* parts, int count) {
  if (count < 0 || !mayBeAssociated(fd) || associationOf(fd) == nullptr)
    return real().writev(fd, parts, count);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return sendmsg(fd, &message, 0);
}

// Each message goes on its own way; the count stops at the first that fails, as the kernel's does.
int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  const bool named = std::any_of(messages, messages + count, [](const mmsghdr& one) {
    return isInternet(one.msg_hdr.msg_name, one.msg_hdr.msg_namelen);
  });
  if (!named && !mayBeAssociated(fd)) return real().sendmmsg(fd, messages, count, flags);
  for (unsigned i = 0; i < count; ++i) {
    const ssize_t sent = sendmsg(fd, &messages[i].msg_hdr, flags);
    if (sent < 0) return i == 0 ? -1 : static_cast<int>(i);
    messages[i].msg_len = static_cast<unsigned>(sent);
  }
  return static_cast<int>(count);
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  const auto association = associationOf(fd);
  if (association == nullptr || message == nullptr) return real().recvmsg(fd, message, flags);
  return receiveMessage(fd, *message, flags, *association);
}

ssize_t recvfrom(int fd, void* data, size_t size, int flags, sockaddr* address, socklen_t* length) {
  const auto association = associationOf(fd);
  if (association == nullptr) return real().recvfrom(fd, data, size, flags, address, length);
  return receiveInto(fd, data, size, flags, address, length, *association);
}

ssize_t recv(int fd, void* data, size_t size, int flags) {
  if (!mayBeAssociated(fd)) return real().recv(fd, data, size, flags);
  return recvfrom(fd, data, size, flags, nullptr, nullptr);
}

ssize_t read(int fd, void* data, size_t size) {
  if (!mayBeAssociated(fd)) return real().read(fd, data, size);
  const auto association = associationOf(fd);
  if (association == nullptr) return real().read(fd, data, size);
  return receiveInto(fd, data, size, 0, nullptr, nullptr, *association);
}

ssize_t readv(int fd, const iovec* parts, int count) {
  const auto association = associationOf(fd);
  if (association == nullptr || count < 0) return real().readv(fd, parts, count);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return receiveMessage(fd, message, 0, *association);
}

// MSG_WAITFORONE: only the first may be waited for.  The timeout is looked at after each, as it is by
// the kernel.
int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
  const auto association = associationOf(fd);
  if (association == nullptr) return real().recvmmsg(fd, messages, count, flags, timeout);
  const auto begun = Clock::now();
  for (unsigned i = 0; i < count; ++i) {
    const ssize_t got = receiveMessage(fd, messages[i].msg_hdr, flags & ~MSG_WAITFORONE, *association);
    if (got < 0) return i == 0 ? -1 : static_cast<int>(i);
    messages[i].msg_len = static_cast<unsigned>(got);
    if ((flags & MSG_WAITFORONE) != 0) flags |= MSG_DONTWAIT;
    if (timeout == nullptr) continue;
    const auto limit = std::chrono::seconds(timeout->tv_sec) + std::chrono::nanoseconds(timeout->tv_nsec);
    if (Clock::now() - begun >= limit) return static_cast<int>(i + 1);
  }
  return static_cast<int>(count);
}

// A buffer smaller than what is asked for is the program's mistake, and the C library's to punish.
ssize_t __recv_chk(int fd, void* data, size_t length, size_t size, int flags) {
  if (length > size) return real().__recv_chk(fd, data, length, size, flags);
  return recv(fd, data, length, flags);
}

ssize_t __recvfrom_chk(int fd, void* data, size_t length, size_t size, int flags, sockaddr* address,
                       socklen_t* addressLength) {
  if (length > size) return real().__recvfrom_chk(fd, data, length, size, flags, address, addressLength);
  return recvfrom(fd, data, length, flags, address, addressLength);
}

ssize_t __read_chk(int fd, void* data, size_t length, size_t size) {
  if (length > size) return real().__read_chk(fd, data, length, size);
  return read(fd, data, length);
}

}  // extern "C"
