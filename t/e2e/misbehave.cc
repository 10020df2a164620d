// SPDX-License-Identifier: BSD-2-Clause
// Loaded before libc into a Gateway under test, this makes its workers do what no worker does: the port that
// one is asked to connect to says what.  See sandbox.sh.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

int portOf(const sockaddr* to) noexcept {
  if (to->sa_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(to)->sin_port);
  return to->sa_family == AF_INET6 ? ntohs(reinterpret_cast<const sockaddr_in6*>(to)->sin6_port) : 0;
}

}  // namespace

extern "C" int connect(int fd, const sockaddr* to, socklen_t length) {
  switch (portOf(to)) {
    case 6661: execl("/bin/true", "true", nullptr); break;
    case 6662: (void)!open("/dev/null", O_WRONLY | O_CLOEXEC); break;
    case 6663: ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); break;
    case 6664: (void)!socket(AF_PACKET, SOCK_RAW, 0); break;
    case 6665: (void)!setuid(0); break;
    default: break;
  }
  return static_cast<int>(syscall(SYS_connect, fd, to, length));
}
