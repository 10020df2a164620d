// SPDX-License-Identifier: BSD-2-Clause
// The C library's own functions, behind the ones that the Socks Lib interposes.
//
// Everything in this folder reaches the system through real().NAME: a plain call of connect() or
// close() would come back to our own hook.  The table is filled by dlsym(RTLD_NEXT) at the first use,
// which may come before our constructor (another library's constructor may open a socket), and costs
// one load and a branch afterwards.  A function the C library lacks is a null pointer.
#pragma once

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wordexp.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

// The fortified forms that programs built with _FORTIFY_SOURCE call; no header declares them.
extern "C" {
ssize_t __recv_chk(int fd, void* buffer, size_t length, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void* buffer, size_t length, size_t size, int flags, sockaddr* address,
                       socklen_t* addressLength);
ssize_t __read_chk(int fd, void* buffer, size_t length, size_t size);
int __poll_chk(pollfd* fds, nfds_t count, int timeout, size_t size);
int __ppoll_chk(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask, size_t size);
}

#define SOCKSIFY_REAL_CALLS(X)                                                                              \
  X(accept)                                                                                                 \
  X(accept4)                                                                                                \
  X(bind)                                                                                                   \
  X(close)                                                                                                  \
  X(connect)                                                                                                \
  X(dup)                                                                                                    \
  X(dup2) X(dup3) X(epoll_ctl) X(execve) X(execveat) X(execvpe) X(fexecve) X(fcntl) X(fcntl64)              \
      X(freeaddrinfo) X(getaddrinfo) X(gethostbyaddr) X(gethostbyaddr_r) X(gethostbyname) X(gethostbyname2) \
          X(gethostbyname2_r) X(gethostbyname_r) X(getnameinfo) X(getpeername) X(getsockname) X(getsockopt) \
              X(listen) X(poll) X(popen) X(posix_spawn) X(posix_spawn_file_actions_addchdir_np)             \
                  X(posix_spawn_file_actions_addfchdir_np) X(posix_spawn_file_actions_destroy)              \
                      X(posix_spawnp) X(ppoll) X(pselect) X(recv) X(recvfrom) X(recvmmsg) X(recvmsg)        \
                          X(select) X(send) X(sendmmsg) X(sendmsg) X(sendto) X(setsockopt) X(shutdown)      \
                              X(socket) X(syscall) X(system) X(wordexp) X(read) X(readv) X(write) X(writev) \
                                  X(__recv_chk) X(__recvfrom_chk) X(__read_chk) X(__poll_chk) X(__ppoll_chk)

namespace crossgate::socksify {

// A function's type without the attributes that templates would drop.
#define SOCKSIFY_DECLARE(name) decltype(&::name) name;
struct RealCalls {
  SOCKSIFY_REAL_CALLS(SOCKSIFY_DECLARE)
};
#undef SOCKSIFY_DECLARE

extern RealCalls realCalls;
extern std::atomic<bool> realCallsKnown;
void lookUpRealCalls() noexcept;

inline const RealCalls& real() noexcept {
  if (!realCallsKnown.load(std::memory_order_acquire)) [[unlikely]]
    lookUpRealCalls();
  return realCalls;
}

}  // namespace crossgate::socksify
