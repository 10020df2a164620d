// SPDX-License-Identifier: BSD-2-Clause
// The calls that send and receive, in all their forms.  What they do with datagrams is in datagram.cc;
// octets of a stream pass as they are, and cost one load.
//
// A connection through the Gateway that has failed looks refused to the kernel: where a call hears of
// it first, it is told the true errno.
#include <netinet/udp.h>
#include <sys/uio.h>

#include <algorithm>

#include "socksify/association.h"
#include "socksify/datagram.h"
#include "socksify/real.h"
#include "socksify/socks_lib.h"
#include "socksify/swap.h"

namespace crossgate::socksify {
namespace {

ssize_t withTrueError(int fd, ssize_t result) {
  if (result >= 0 || errno != ECONNREFUSED || !mayConnect(fd)) return result;
  SocketTable& sockets = SocksLib::get().sockets();
  const std::uint64_t cookie = socketCookie(fd);
  auto shown = sockets.lookup(cookie);
  errno = ECONNREFUSED;
  if (!shown || shown->error == 0) return result;
  errno = shown->error;
  shown->error = 0;
  sockets.remember(cookie, *shown);
  return result;
}

ssize_t receiveInto(int fd, void* data, size_t size, int flags, sockaddr* address, socklen_t* length) {
  iovec part{data, size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (address != nullptr && length != nullptr) {
    message.msg_name = address;
    message.msg_namelen = *length;
  }
  const ssize_t got = receiveMessage(fd, message, flags);
  if (got >= 0 && address != nullptr && length != nullptr) *length = message.msg_namelen;
  return got;
}

}  // namespace
}  // namespace crossgate::socksify

using namespace crossgate;
using namespace crossgate::socksify;

extern "C" {

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  if (message == nullptr) return real().sendmsg(fd, message, flags);
  msghdr mine = *message;
  ssize_t result = -1;
  if (sendThroughGateway(fd, mine, flags, result) == Next::done) return result;
  return withTrueError(fd, real().sendmsg(fd, &mine, flags));
}

ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* address, socklen_t length) {
  if (!mayBeInternet(address, length) && !mayBeAssociated(fd)) {
    return withTrueError(fd, real().sendto(fd, data, size, flags, address, length));
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
  if (!mayBeAssociated(fd)) return withTrueError(fd, real().send(fd, data, size, flags));
  return sendto(fd, data, size, flags, nullptr, 0);
}

ssize_t write(int fd, const void* data, size_t size) {
  if (!isAssociated(fd)) return withTrueError(fd, real().write(fd, data, size));
  return sendto(fd, data, size, 0, nullptr, 0);
}

ssize_t writev(int fd, const iovec* parts, int count) {
  if (count < 0 || !isAssociated(fd)) return withTrueError(fd, real().writev(fd, parts, count));
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return sendmsg(fd, &message, 0);
}

// Each message goes on its own way; the count stops at the first that fails, as the kernel's does.
int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  const bool named = std::any_of(messages, messages + count, [](const mmsghdr& one) {
    return mayBeInternet(one.msg_hdr.msg_name, one.msg_hdr.msg_namelen);
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
  if (message == nullptr || !isAssociated(fd)) return withTrueError(fd, real().recvmsg(fd, message, flags));
  return receiveMessage(fd, *message, flags);
}

ssize_t recvfrom(int fd, void* data, size_t size, int flags, sockaddr* address, socklen_t* length) {
  if (!isAssociated(fd)) return withTrueError(fd, real().recvfrom(fd, data, size, flags, address, length));
  return receiveInto(fd, data, size, flags, address, length);
}

ssize_t recv(int fd, void* data, size_t size, int flags) {
  if (!mayBeAssociated(fd)) return withTrueError(fd, real().recv(fd, data, size, flags));
  return recvfrom(fd, data, size, flags, nullptr, nullptr);
}

ssize_t read(int fd, void* data, size_t size) {
  if (!isAssociated(fd)) return withTrueError(fd, real().read(fd, data, size));
  return receiveInto(fd, data, size, 0, nullptr, nullptr);
}

ssize_t readv(int fd, const iovec* parts, int count) {
  if (count < 0 || !isAssociated(fd)) return withTrueError(fd, real().readv(fd, parts, count));
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return receiveMessage(fd, message, 0);
}

// MSG_WAITFORONE: only the first may be waited for.  The timeout is looked at after each, as it is by
// the kernel.
int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
  if (!isAssociated(fd)) return real().recvmmsg(fd, messages, count, flags, timeout);
  const auto begun = Clock::now();
  for (unsigned i = 0; i < count; ++i) {
    const ssize_t got = receiveMessage(fd, messages[i].msg_hdr, flags & ~MSG_WAITFORONE);
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

// Several datagrams in one message, either way, would leave all but the first without a header.
int setsockopt(int fd, int level, int option, const void* value, socklen_t length) noexcept {
  if (level == SOL_UDP && (option == UDP_SEGMENT || option == UDP_GRO)) {
    errno = ENOPROTOOPT;
    return -1;
  }
  return real().setsockopt(fd, level, option, value, length);
}

}  // extern "C"
