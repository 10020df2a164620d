// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/swap.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>

#include "lib/address.h"
#include "socksify/fd_hints.h"
#include "socksify/real.h"
#include "socksify/silent_port.h"
#include "socksify/socks_lib.h"

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif

namespace crossgate::socksify {
namespace {

struct SocketOption {
  int level;
  int name;
};
// What a program may have set on a TCP socket before its connection stands.
constexpr SocketOption options[] = {
    {SOL_SOCKET, SO_KEEPALIVE},
    {SOL_SOCKET, SO_LINGER},
    {SOL_SOCKET, SO_OOBINLINE},
    {SOL_SOCKET, SO_RCVLOWAT},
    {SOL_SOCKET, SO_RCVTIMEO},
    {SOL_SOCKET, SO_SNDTIMEO},
    {SOL_SOCKET, SO_PRIORITY},
    {SOL_SOCKET, SO_MARK},
    {SOL_SOCKET, SO_REUSEADDR},
    {SOL_SOCKET, SO_REUSEPORT},
    {SOL_SOCKET, SO_TIMESTAMP},
    {SOL_SOCKET, SO_TIMESTAMPNS},
    {SOL_SOCKET, SO_BUSY_POLL},
    {SOL_SOCKET, SO_DONTROUTE},
    {SOL_SOCKET, SO_ZEROCOPY},
    {IPPROTO_TCP, TCP_NODELAY},
    {IPPROTO_TCP, TCP_CORK},
    {IPPROTO_TCP, TCP_KEEPIDLE},
    {IPPROTO_TCP, TCP_KEEPINTVL},
    {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_SYNCNT},
    {IPPROTO_TCP, TCP_LINGER2},
    {IPPROTO_TCP, TCP_USER_TIMEOUT},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT},
    {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS},
    {IPPROTO_TCP, TCP_CONGESTION},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP},
    {IPPROTO_IP, IP_TOS},
    {IPPROTO_IP, IP_TTL},
    {IPPROTO_IP, IP_MTU_DISCOVER},
    {IPPROTO_IPV6, IPV6_TCLASS},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER},
};

void copyOption(const SocketOption& option, int from, int to) noexcept {
  std::array<unsigned char, 64> wanted{};
  std::array<unsigned char, 64> present{};
  socklen_t wantedLength = wanted.size();
  socklen_t presentLength = present.size();
  if (real().getsockopt(from, option.level, option.name, wanted.data(), &wantedLength) != 0) return;
  if (real().getsockopt(to, option.level, option.name, present.data(), &presentLength) == 0 &&
      wanted == present) {
    return;
  }
  real().setsockopt(to, option.level, option.name, wanted.data(), wantedLength);
}

// The sizes of the buffers change by themselves, unless the program has set them.
void copyBufferSizes(int from, int to) noexcept {
  int locked = 0;
  socklen_t length = sizeof locked;
  if (real().getsockopt(from, SOL_SOCKET, SO_BUF_LOCK, &locked, &length) != 0) return;
  const struct {
    int bit;
    int option;
  } rows[] = {{1, SO_SNDBUF}, {2, SO_RCVBUF}};
  for (const auto& row : rows) {
    int size = 0;
    length = sizeof size;
    if ((locked & row.bit) == 0 || real().getsockopt(from, SOL_SOCKET, row.option, &size, &length) != 0)
      continue;
    size /= 2;  // the kernel doubles what is set
    real().setsockopt(to, SOL_SOCKET, row.option, &size, sizeof size);
  }
}

void copyFlags(int from, int to) noexcept {
  const int flags = real().fcntl(from, F_GETFL);
  f_owner_ex owner{};
  if (real().fcntl(from, F_GETOWN_EX, &owner) == 0 && owner.pid != 0) {
    real().fcntl(to, F_SETOWN_EX, &owner);
    if (const int signal = real().fcntl(from, F_GETSIG); signal > 0) real().fcntl(to, F_SETSIG, signal);
  }
  if (flags >= 0) real().fcntl(to, F_SETFL, flags);
}

// ---- epoll --------------------------------------------------------------------------------------

// The descriptors that may still connect.
constinit FdHints hints;
constinit std::atomic<unsigned> swaps{0};

struct Note {
  int epoll;
  epoll_event event;
};
constinit std::mutex notesMutex;
auto& notes() {
  alignas(
      std::map<int, std::vector<Note>>) static unsigned char place[sizeof(std::map<int, std::vector<Note>>)];
  static auto* map = new (place) std::map<int, std::vector<Note>>;
  return *map;
}

/// Held over what the kernel is told of a set and the note of it, so that no swap comes between the two.
/// A handler in the same thread may call epoll_ctl() too: signals wait.
class NotesLock {
 public:
  NotesLock() noexcept {
    sigset_t everything;
    sigfillset(&everything);
    pthread_sigmask(SIG_SETMASK, &everything, &before_);
    notesMutex.lock();
  }
  ~NotesLock() {
    notesMutex.unlock();
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NotesLock(const NotesLock&) = delete;
  NotesLock& operator=(const NotesLock&) = delete;

 private:
  sigset_t before_{};
};

void note(int epoll, int operation, int fd, const epoll_event* event) {
  auto& list = notes()[fd];
  std::erase_if(list, [&](const Note& note) { return note.epoll == epoll; });
  if (operation != EPOLL_CTL_DEL && event != nullptr) list.push_back({epoll, *event});
}

void replaceOne(int fd, int replacement) noexcept {
  const NotesLock lock;
  const int descriptorFlags = real().fcntl(fd, F_GETFD);
  const auto noted = notes().find(fd);
  std::vector<Note> present;
  // Deleting tells which notes still hold; it also keeps the old socket's last sigh from the program.
  for (const Note& note : noted == notes().end() ? std::vector<Note>() : noted->second) {
    epoll_event none{};
    if (real().epoll_ctl(note.epoll, EPOLL_CTL_DEL, fd, &none) == 0) present.push_back(note);
  }
  real().dup3(replacement, fd, (descriptorFlags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
  for (const Note& note : present) {
    epoll_event event = note.event;
    real().epoll_ctl(note.epoll, EPOLL_CTL_ADD, fd, &event);
  }
}

}  // namespace

void copySocketOptions(int from, int to) noexcept {
  const KeepErrno keep;
  for (const SocketOption& option : options) copyOption(option, from, to);
  copyBufferSizes(from, to);
}

namespace {

// A connection attempt to port 0, where nobody can listen.  A host without ::1 is asked for 127.0.0.1
// in its IPv6 form.
bool connectToNobody(int fd, int family) noexcept {
  const IpAddress ipv4 = IpAddress::loopback(Family::ipv4);
  const IpAddress candidates[] = {family == AF_INET ? ipv4 : IpAddress::loopback(Family::ipv6),
                                  ipv4.mapped()};
  for (const IpAddress& candidate : candidates) {
    sockaddr_storage storage;
    const socklen_t length = Endpoint{candidate, 0}.toSockaddr(storage);
    if (candidate.family() != (family == AF_INET ? Family::ipv4 : Family::ipv6)) continue;
    if (real().connect(fd, reinterpret_cast<const sockaddr*>(&storage), length) != 0 && errno == EINPROGRESS)
      return true;
  }
  return false;
}

// The same where it stays without an answer.
bool connectToSilence(int fd, int family) noexcept {
  auto silence = silentPort(family == AF_INET ? Family::ipv4 : Family::ipv6);
  if (!silence && family == AF_INET6) {
    silence = silentPort(Family::ipv4);
    if (silence) silence->address = silence->address.mapped();
  }
  if (!silence) return false;
  sockaddr_storage storage;
  const socklen_t length = silence->toSockaddr(storage);
  return real().connect(fd, reinterpret_cast<const sockaddr*>(&storage), length) != 0 && errno == EINPROGRESS;
}

// With a filter that drops every answer no second socket is needed; some kernels grant that only to
// privileged programs.
bool dropAnswers(int fd) noexcept {
  sock_filter dropAll = BPF_STMT(BPF_RET | BPF_K, 0);
  sock_fprog program{1, &dropAll};
  return real().setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

}  // namespace

bool makePending(int fd) noexcept {
  int domain = AF_INET;
  socklen_t length = sizeof domain;
  if (real().getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0) return false;
  const int flags = real().fcntl(fd, F_GETFL);
  if ((flags & O_NONBLOCK) == 0) real().fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  const bool filtered = dropAnswers(fd);
  const bool pending = filtered ? connectToNobody(fd, domain) : connectToSilence(fd, domain);
  const int error = errno;
  if ((flags & O_NONBLOCK) == 0) real().fcntl(fd, F_SETFL, flags);
  if (pending) return true;
  const int ignored = 0;
  if (filtered) real().setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof ignored);
  errno = error;
  return false;
}

bool replaceByPending(int fd, int family) noexcept {
  HiddenSocket placeholder(real().socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!makePending(placeholder.get())) return false;
  // An attempt that a signal has interrupted goes on with a duplicate of the program's socket.
  swapUnder({fd}, std::move(placeholder), OldSocket::goesOn);
  return true;
}

HiddenSocket makeRefused(int family) noexcept {
  HiddenSocket refused(real().socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  connectToNobody(refused.get(), family);
  return refused;
}

void swapUnder(const std::vector<int>& fds, HiddenSocket replacement, OldSocket fate) noexcept {
  const KeepErrno keep;
  if (fds.empty() || replacement.get() < 0) return;
  copySocketOptions(fds.front(), replacement.get());
  copyFlags(fds.front(), replacement.get());
  // Whoever sleeps in poll() on the old socket holds it open: wake them, to look again.
  HiddenSocket old(real().fcntl(fds.front(), F_DUPFD_CLOEXEC, 0));
  for (const int fd : fds) replaceOne(fd, replacement.get());
  // Who is woken compares the count, and who has read the new one finds the replacement.
  swaps.fetch_add(1, std::memory_order_release);
  if (fate == OldSocket::ends) real().shutdown(old.get(), SHUT_RDWR);
}

unsigned swapCount() noexcept { return swaps.load(std::memory_order_acquire); }

void expectConnect(int fd) noexcept { hints.mark(fd); }
bool mayConnect(int fd) noexcept { return hints.has(fd); }

void settled(int fd) noexcept {
  if (!mayConnect(fd)) return;
  hints.unmark(fd);
  const NotesLock lock;
  notes().erase(fd);
}

int changeEpoll(int epoll, int operation, int fd, epoll_event* event) noexcept {
  const NotesLock lock;
  const int result = real().epoll_ctl(epoll, operation, fd, event);
  if (result == 0) note(epoll, operation, fd, event);
  return result;
}

void lockEpollNotes() noexcept { notesMutex.lock(); }
void unlockEpollNotes() noexcept { notesMutex.unlock(); }

}  // namespace crossgate::socksify
