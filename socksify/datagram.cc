// SPDX-License-Identifier: BSD-2-Clause
// sendto(), sendmsg(), sendmmsg(): a datagram goes to the program's own loopback or to a `direct`
// destination; any other is refused with ENETUNREACH and never leaves.
// With MSG_FASTOPEN they are the connect() of a stream socket too.
#include "socksify/datagram.h"

#include "socksify/connect.h"
#include "socksify/real.h"
#include "socksify/socks_lib.h"

namespace crossgate::socksify {
namespace {

// 0, or the errno that keeps a datagram here.
int obstacle(const Endpoint& peer) {
  const Route route = SocksLib::get().routeTo(peer, false);
  if (route.kind == Route::Kind::direct && route.destination == Destination{}) return 0;
  tell("a datagram to %s is refused", peer.toString().c_str());
  return route.kind == Route::Kind::refused ? route.error : ENETUNREACH;
}

bool isInternet(const void* address, socklen_t length) noexcept {
  if (address == nullptr || length < sizeof(sa_family_t)) return false;
  const auto family = static_cast<const sockaddr*>(address)->sa_family;
  return family == AF_INET || family == AF_INET6;
}

// What has to happen before a sending call with an address goes on: nothing (0), or -1 with errno.
// `flags` loses MSG_FASTOPEN, and `connected` tells to leave the address out.
int prepareSending(int fd, const void* address, socklen_t length, int& flags, bool& connected) {
  connected = false;
  const auto* to = static_cast<const sockaddr*>(address);
  const auto peer = Endpoint::from(to, length);
  if (!peer) return 0;
  if (socketOption(fd, SO_TYPE) == SOCK_STREAM) {
    if ((flags & MSG_FASTOPEN) == 0) return 0;
    flags &= ~MSG_FASTOPEN;
    connected = true;
    return connectSocket(fd, to, length);
  }
  const int error = obstacle(*peer);
  if (error == 0) return 0;
  errno = error;
  return -1;
}

}  // namespace

int connectDatagram(int fd, const sockaddr* address, socklen_t length, const Endpoint& peer) {
  if (const int error = obstacle(peer); error != 0) {
    errno = error;
    return -1;
  }
  return real().connect(fd, address, length);
}

}  // namespace crossgate::socksify

using namespace crossgate::socksify;

extern "C" {

ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* address, socklen_t length) {
  if (!isInternet(address, length)) return real().sendto(fd, data, size, flags, address, length);
  bool connected = false;
  if (prepareSending(fd, address, length, flags, connected) != 0) return -1;
  if (connected) return real().send(fd, data, size, flags);
  return real().sendto(fd, data, size, flags, address, length);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  if (message == nullptr || !isInternet(message->msg_name, message->msg_namelen)) {
    return real().sendmsg(fd, message, flags);
  }
  bool connected = false;
  if (prepareSending(fd, message->msg_name, message->msg_namelen, flags, connected) != 0) return -1;
  if (!connected) return real().sendmsg(fd, message, flags);
  msghdr unnamed = *message;
  unnamed.msg_name = nullptr;
  unnamed.msg_namelen = 0;
  return real().sendmsg(fd, &unnamed, flags);
}

int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  bool connected = false;
  for (unsigned i = 0; i < count; ++i) {
    const msghdr& message = messages[i].msg_hdr;
    if (!isInternet(message.msg_name, message.msg_namelen)) continue;
    if (prepareSending(fd, message.msg_name, message.msg_namelen, flags, connected) == 0) continue;
    if (i == 0) return -1;
    count = i;  // those before it go out, and the next call tells the error
  }
  return real().sendmmsg(fd, messages, count, flags);
}

}  // extern "C"
