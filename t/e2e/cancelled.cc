// SPDX-License-Identifier: BSD-2-Clause
// Threads that are cancelled in calls of the Socks Lib, to be run through socksify.
//
//   cancelled     each call is cancelled twice: where the cancellation is there before the call, and
//                 where it comes while the call waits
//
// The Gateway takes its time (loops.py gateway).  Exit status 0 when every thread ended as one that was
// cancelled, nothing stayed open or locked, and the calls still work; 1 otherwise, with the call's name.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>
#include <tuple>

#include "lib/fd.h"

namespace {

using crossgate::Fd;

struct Call {
  const char* name;
  void (*run)();
};

int pair[2];    // a stream to ourselves on which nothing comes
int datagrams;  // a datagram socket whose peer is behind the Gateway
int listener;   // of this host; nobody comes
int overIpv4;   // for blocking connects
int overIpv6;
int connecting;  // a connection that is being made
char octets[64];
iovec part{octets, sizeof octets};

addrinfo* lookUp(int family, int type) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = type;
  addrinfo* found = nullptr;
  if (getaddrinfo("echo.example", "7", &hints, &found) != 0) std::abort();
  return found;
}

void receiveMessage(int fd) {
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  recvmsg(fd, &message, 0);
}

void receiveMessages(int fd) {
  mmsghdr message{};
  message.msg_hdr.msg_iov = &part;
  message.msg_hdr.msg_iovlen = 1;
  recvmmsg(fd, &message, 1, 0, nullptr);
}

void selectOne(int fd) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(fd, &set);
  select(fd + 1, &set, nullptr, nullptr, nullptr);
}

void nameOne(const char* address) {
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  inet_pton(AF_INET, address, &peer.sin_addr);
  char host[NI_MAXHOST];
  getnameinfo(reinterpret_cast<sockaddr*>(&peer), sizeof peer, host, sizeof host, nullptr, 0, 0);
}

// Looked for in the hosts file, but answered without the C library, which leaves descriptors open when it is
// cancelled.
constexpr const char* localName = "nobody.localhost";

void lookUpLocalName() {
  addrinfo* found = nullptr;
  if (getaddrinfo(localName, nullptr, nullptr, &found) == 0) freeaddrinfo(found);
}

// A socket of IPv6 alone can't be the one that leads to an IPv4 gateway: another takes its place.
bool connectOver(int family) {
  const int fd = family == AF_INET ? overIpv4 : overIpv6;
  const int only = 1;
  setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  addrinfo* to = lookUp(family, SOCK_STREAM);
  sockaddr_storage address{};
  const socklen_t length = to->ai_addrlen;
  std::memcpy(&address, to->ai_addr, length);
  freeaddrinfo(to);
  return connect(fd, reinterpret_cast<sockaddr*>(&address), length) == 0;
}

void pollBoth() {
  pollfd both[] = {{pair[0], POLLIN, 0}, {connecting, POLLIN, 0}};
  poll(both, 2, -1);
}

constexpr Call calls[] = {
    {"recv", [] { recv(pair[0], octets, sizeof octets, 0); }},
    {"read", [] { std::ignore = read(pair[0], octets, sizeof octets); }},
    {"recvfrom", [] { recvfrom(pair[0], octets, sizeof octets, 0, nullptr, nullptr); }},
    {"recvmsg", [] { receiveMessage(pair[0]); }},
    {"recvmmsg", [] { receiveMessages(pair[0]); }},
    {"readv", [] { std::ignore = readv(pair[0], &part, 1); }},
    {"recv of a datagram", [] { recv(datagrams, octets, sizeof octets, 0); }},
    {"recvmsg of a datagram", [] { receiveMessage(datagrams); }},
    {"recvmmsg of a datagram", [] { receiveMessages(datagrams); }},
    {"readv of a datagram", [] { std::ignore = readv(datagrams, &part, 1); }},
    {"accept", [] { accept(listener, nullptr, nullptr); }},
    {"poll", pollBoth},
    {"select", [] { selectOne(pair[0]); }},
    {"connect over IPv4", [] { connectOver(AF_INET); }},
    {"connect over IPv6", [] { connectOver(AF_INET6); }},
    {"getnameinfo", [] { nameOne("192.0.2.99"); }},
    {"gethostbyaddr", [] { gethostbyaddr("\300\0\2\143", 4, AF_INET); }},
    {"getaddrinfo", lookUpLocalName},
    {"gethostbyname", [] { gethostbyname(localName); }},
    {"close", [] { close(connecting); }},
};

// ---- one thread ---------------------------------------------------------------------------------

struct Thread {
  const Call* call;
  bool before;
  std::atomic<pid_t> id{0};
};

void* run(void* argument) {
  auto& self = *static_cast<Thread*>(argument);
  if (self.before) pthread_cancel(pthread_self());
  self.id = static_cast<pid_t>(syscall(SYS_gettid));
  self.call->run();
  for (;;) pause();
}

bool sleeps(pid_t thread) {
  const Fd file(open(("/proc/self/task/" + std::to_string(thread) + "/stat").c_str(), O_RDONLY));
  char line[128] = "";
  std::ignore = read(file.get(), line, sizeof line - 1);
  return std::strstr(line, ") S") != nullptr;
}

// What goes wrong here ends the program or stops it.
bool isCancelled(const Call& call, bool before) {
  Thread thread{&call, before};
  pthread_t handle;
  if (pthread_create(&handle, nullptr, run, &thread) != 0) return false;
  while (thread.id == 0) usleep(1000);
  usleep(20000);  // it need not have come to its wait, but better it has
  while (!before && !sleeps(thread.id)) usleep(1000);
  pthread_cancel(handle);
  void* result = nullptr;
  pthread_join(handle, &result);
  return result == PTHREAD_CANCELED;
}

auto openDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

int beginConnecting() {
  addrinfo* to = lookUp(AF_INET, SOCK_STREAM);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connect(fd, to->ai_addr, to->ai_addrlen) == 0 || errno != EINPROGRESS) std::abort();
  freeaddrinfo(to);
  return fd;
}

void prepare() {
  addrinfo* to = lookUp(AF_INET, SOCK_DGRAM);
  datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  overIpv4 = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  overIpv6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || listen(listener, 1) != 0 ||
      connect(datagrams, to->ai_addr, to->ai_addrlen) != 0)
    std::abort();
  freeaddrinfo(to);
}

}  // namespace

int main() {
  prepare();
  int wrong = 0;
  const auto expect = [&](bool condition, const char* what) {
    if (!condition) ++wrong;
    std::printf("  %s%s\n", condition ? "" : "not ", what);
    std::fflush(stdout);
  };
  for (const Call& call : calls) {
    for (const bool before : {true, false}) {
      std::printf("%s\n", call.name);
      connecting = beginConnecting();
      const auto open = openDescriptors();
      expect(isCancelled(call, before), "cancelled");
      expect(openDescriptors() <= open, "all closed");
      close(connecting);
    }
  }
  std::printf("afterwards\n");
  expect(connectOver(AF_INET) && connectOver(AF_INET6), "connected");
  return wrong == 0 ? 0 : 1;
}
