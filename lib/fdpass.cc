// SPDX-License-Identifier: BSD-2-Clause
#include "lib/fdpass.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace crossgate {
namespace {

// Room for the control message, aligned as the kernel wants it.
union ControlBuffer {
  cmsghdr align;
  char room[CMSG_SPACE(maxPassedFds * sizeof(int))];
};

}  // namespace

Result<MessagePair> messagePair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return systemError("socketpair", errno);
  }
  return MessagePair{Fd(ends[0]), Fd(ends[1])};
}

Result<void> sendWithFds(int socket, OctetSpan message, std::span<const int> fds) {
  ensure(!message.empty() && fds.size() <= maxPassedFds);
  iovec vector{const_cast<std::uint8_t*>(message.data()), message.size()};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;

  ControlBuffer control{};
  if (!fds.empty()) {
    header.msg_control = control.room;
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* rights = &control.align;
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
  }
  for (;;) {
    if (sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return {};
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return Error{Failure::exhausted, "the socket's queue is full"};
    return systemError("sendmsg", errno);
  }
}

Result<PassedMessage> receiveWithFds(int socket, std::span<std::uint8_t> message) {
  iovec vector{message.data(), message.size()};
  ControlBuffer control{};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.room;
  header.msg_controllen = sizeof control.room;

  ssize_t length = -1;
  do {
    length = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (length < 0 && errno == EINTR);

  PassedMessage result;
  if (length < 0) {
    if (errno != EAGAIN) return systemError("recvmsg", errno);
    result.wouldBlock = true;
    return result;
  }
  result.octets = static_cast<std::size_t>(length);
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      Fd owned(fd);
      if (result.fdCount < result.fds.size()) result.fds[result.fdCount++] = std::move(owned);
    }
  }
  if ((header.msg_flags & MSG_TRUNC) != 0) return malformed("a message with descriptors was cut short");
  result.fdsLost = (header.msg_flags & MSG_CTRUNC) != 0;
  return result;
}

}  // namespace crossgate
