// SPDX-License-Identifier: BSD-2-Clause
// Fail closed: ways to the network that the Socks Lib can't carry are refused, with an errno that
// programs know and, with `verbose`, a line on stderr.  They never go direct.
#include <netdb.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <cstdarg>
#include <optional>
#include <type_traits>

#include "socksify/cancellation.h"
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

// The h_errno of a network that is not looked up.
int noNetwork() noexcept {
  refuse(EPERM, "a look-up of networks");
  return h_errno = NO_RECOVERY;
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

/// The arguments of a system call, as whatever a function takes.
struct Argument {
  long value;
  template <class T>
  operator T() const noexcept {
    if constexpr (std::is_pointer_v<T>)
      return reinterpret_cast<T>(value);
    else
      return static_cast<T>(value);
  }
};

// What programs reach past the C library's own functions; nothing for a call that we do not stand in for.
std::optional<long> callByNumber(long number, const Argument (&a)[6]) {
  switch (number) {
    case SYS_socket: return ::socket(a[0], a[1], a[2]);
    case SYS_connect: return ::connect(a[0], a[1], a[2]);
    case SYS_sendto: return ::sendto(a[0], a[1], a[2], a[3], a[4], a[5]);
    case SYS_sendmsg: return ::sendmsg(a[0], a[1], a[2]);
    case SYS_sendmmsg: return ::sendmmsg(a[0], a[1], a[2], a[3]);
    case SYS_write: return ::write(a[0], a[1], a[2]);
    case SYS_writev: return ::writev(a[0], a[1], a[2]);
    case SYS_recvfrom: return ::recvfrom(a[0], a[1], a[2], a[3], a[4], a[5]);
    case SYS_recvmsg: return ::recvmsg(a[0], a[1], a[2]);
    case SYS_recvmmsg: return ::recvmmsg(a[0], a[1], a[2], a[3], a[4]);
    case SYS_read: return ::read(a[0], a[1], a[2]);
    case SYS_readv: return ::readv(a[0], a[1], a[2]);
    case SYS_close: return ::close(a[0]);
    case SYS_dup: return ::dup(a[0]);
#ifdef SYS_dup2
    case SYS_dup2: return ::dup2(a[0], a[1]);
#endif
    case SYS_dup3: return ::dup3(a[0], a[1], a[2]);
    case SYS_fcntl: return ::fcntl(a[0], a[1], a[2].value);
    case SYS_epoll_ctl: return ::epoll_ctl(a[0], a[1], a[2], a[3]);
    case SYS_execve: return ::execve(a[0], a[1], a[2]);
    case SYS_execveat: return ::execveat(a[0], a[1], a[2], a[3], a[4]);
    case SYS_io_uring_setup: return refuse(ENOSYS, "io_uring");
    default: return std::nullopt;
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

// All arguments travel in registers, so that taking six of them is safe whatever the call has.
long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  Argument a[6];
  for (Argument& argument : a) argument.value = va_arg(list, long);
  va_end(list);
  {
    const Uncancelled whole;  // syscall() is no cancellation point, but some of what is called in its place is
    if (const auto result = callByNumber(number, a)) return *result;
  }
  return real().syscall(number, a[0].value, a[1].value, a[2].value, a[3].value, a[4].value, a[5].value);
}

// Old doors to the resolver and to the network, which the C library's own functions open behind them.
int rexec(char**, int, const char*, const char*, const char*, int*) { return refuse(EPERM, "rexec"); }
int rexec_af(char**, int, const char*, const char*, const char*, int*, sa_family_t) {
  return refuse(EPERM, "rexec");
}
int rcmd(char**, unsigned short, const char*, const char*, const char*, int*) {
  return refuse(EPERM, "rcmd");
}
int rcmd_af(char**, unsigned short, const char*, const char*, const char*, int*, sa_family_t) {
  return refuse(EPERM, "rcmd");
}
netent* getnetbyname(const char*) { return noNetwork(), nullptr; }
netent* getnetbyaddr(std::uint32_t, int) { return noNetwork(), nullptr; }
int getnetbyname_r(const char*, netent*, char*, size_t, netent** result, int* error) {
  *result = nullptr;
  *error = noNetwork();
  return 0;
}
int getnetbyaddr_r(std::uint32_t, int, netent*, char*, size_t, netent** result, int* error) {
  *result = nullptr;
  *error = noNetwork();
  return 0;
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
