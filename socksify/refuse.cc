// SPDX-License-Identifier: BSD-2-Clause
// Fail closed: ways to the network that the Socks Lib can't carry are refused, with an errno that
// programs know and, with `verbose`, a line on stderr.  They never go direct.
#include <netinet/in.h>
#include <sys/syscall.h>

#include <cstdarg>

#include "socksify/connect.h"
#include "socksify/process.h"
#include "socksify/real.h"
#include "socksify/socks_lib.h"
#include "socksify/swap.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

namespace crossgate::socksify {
namespace {

int refuse(int error, const char* what) noexcept {
  tell("%s is refused: it can't go through the gateway", what);
  errno = error;
  return -1;
}

// Families that stay on this host.
bool staysHere(int domain) noexcept {
  return domain == AF_UNIX || domain == AF_NETLINK || domain == AF_ALG || domain == AF_KEY;
}

bool isCarried(int type, int protocol) noexcept {
  switch (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) {
    case SOCK_STREAM: return protocol == 0 || protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
    case SOCK_DGRAM: return protocol == 0 || protocol == IPPROTO_UDP;
    default: return false;
  }
}

}  // namespace
}  // namespace crossgate::socksify

using namespace crossgate::socksify;

extern "C" {

int socket(int domain, int type, int protocol) noexcept {
  if (domain != AF_INET && domain != AF_INET6) {
    if (staysHere(domain)) return real().socket(domain, type, protocol);
    return refuse(EAFNOSUPPORT, "a socket of an unknown family");
  }
  if (!isCarried(type, protocol))
    return refuse(EPERM, "a raw socket, or one of a protocol other than TCP and UDP,");
  const int fd = real().socket(domain, type, protocol);
  if (!inVforkChild()) expectConnect(fd);
  return fd;
}

// What programs reach past the C library's own functions.  All arguments travel in registers, so that
// taking six of them is safe whatever the call has.
long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  const auto pointer = [&](int index) { return reinterpret_cast<void*>(a[index]); };
  const auto number32 = [&](int index) { return static_cast<int>(a[index]); };
  switch (number) {
    case SYS_socket: return socket(number32(0), number32(1), number32(2));
    case SYS_connect:
      return connect(number32(0), static_cast<const sockaddr*>(pointer(1)), static_cast<socklen_t>(a[2]));
    case SYS_sendto:
      return sendto(number32(0), pointer(1), static_cast<size_t>(a[2]), number32(3),
                    static_cast<const sockaddr*>(pointer(4)), static_cast<socklen_t>(a[5]));
    case SYS_sendmsg: return sendmsg(number32(0), static_cast<const msghdr*>(pointer(1)), number32(2));
    case SYS_sendmmsg:
      return sendmmsg(number32(0), static_cast<mmsghdr*>(pointer(1)), static_cast<unsigned>(a[2]),
                      number32(3));
    case SYS_close: return close(number32(0));
    case SYS_epoll_ctl:
      return epoll_ctl(number32(0), number32(1), number32(2), static_cast<epoll_event*>(pointer(3)));
    case SYS_execve:
      return execve(static_cast<const char*>(pointer(0)), static_cast<char* const*>(pointer(1)),
                    static_cast<char* const*>(pointer(2)));
    case SYS_execveat:
      return execveat(number32(0), static_cast<const char*>(pointer(1)),
                      static_cast<char* const*>(pointer(2)), static_cast<char* const*>(pointer(3)), number32(4));
    case SYS_io_uring_setup: return refuse(ENOSYS, "io_uring");
    default: return real().syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  }
}

// liburing makes its system calls itself; these are its doors.
int io_uring_setup(unsigned, void*);
int io_uring_queue_init(unsigned, void*, unsigned);
int io_uring_queue_init_params(unsigned, void*, void*);
int io_uring_queue_init_mem(unsigned, void*, void*, void*, size_t);

int io_uring_setup(unsigned, void*) { return refuse(ENOSYS, "io_uring"), -ENOSYS; }
int io_uring_queue_init(unsigned, void*, unsigned) { return refuse(ENOSYS, "io_uring"), -ENOSYS; }
int io_uring_queue_init_params(unsigned, void*, void*) { return refuse(ENOSYS, "io_uring"), -ENOSYS; }
int io_uring_queue_init_mem(unsigned, void*, void*, void*, size_t) {
  return refuse(ENOSYS, "io_uring"), -ENOSYS;
}

}  // extern "C"
