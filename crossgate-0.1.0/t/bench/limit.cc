// SPDX-License-Identifier: BSD-2-Clause
// A yardstick, not a product: the least that a SOCKS5 server can do, so that the load program shows
// how much room there is above the servers that are measured.
//
//   t/bench/limit PORT        listens on 127.0.0.1:PORT and [::1]:PORT until it is killed
//
// One process, one epoll, splice(2).  CONNECT without authentication, by IPv4, IPv6 or name (looked up
// once and remembered, and blocking at that); no rules, no time-outs, no log, no mercy: every message
// of the handshake must arrive in one piece, and anything unexpected closes the connection.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "lib/fd.h"

namespace {

using crossgate::Fd;

constexpr std::size_t spliceOctets = 1 << 20;

struct Pipe {
  Fd in;
  Fd out;
};

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

// One relay.  Its two descriptors are registered with the addresses of `ends`, which lead back here.
struct Relay {
  struct End {
    Relay* relay = nullptr;
    Fd fd;
    Pipe pending;           // what was taken from here and the other end did not accept yet
    std::size_t held = 0;   // octets in `pending`
    bool finished = false;  // end of stream seen here
    bool passedOn = false;  // and told to the other end
  };
  enum class Stage { greeting, request, connecting, relaying } stage = Stage::greeting;
  std::array<End, 2> ends;  // client, destination
  bool dead = false;
};

class Limit {
 public:
  explicit Limit(std::uint16_t port);
  [[noreturn]] void run();

 private:
  void listenOn(int family, std::uint16_t port);
  void acceptAll(int listener);
  void add(Relay::End& end, std::uint32_t events);
  void step(Relay& relay);
  bool greet(Relay& relay);
  bool request(Relay& relay);
  bool connected(Relay& relay);
  bool move(Relay::End& from, Relay::End& to);
  bool drain(Relay::End& from, Relay::End& to);
  const Address* lookUp(const std::string& name);
  Pipe takePipe();

  Fd epoll_;
  std::vector<Fd> listeners_;
  std::vector<Pipe> pipes_;
  std::unordered_map<std::string, Address> names_;
  std::vector<Relay*> dead_;
};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(3);
}

void enable(int fd, int level, int option) {
  const int on = 1;
  setsockopt(fd, level, option, &on, sizeof on);
}

bool again() { return errno == EAGAIN; }

Limit::Limit(std::uint16_t port) : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  listenOn(AF_INET, port);
  listenOn(AF_INET6, port);
}

void Limit::listenOn(int family, std::uint16_t port) {
  Fd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  enable(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  v6.sin6_addr = in6addr_loopback;
  const bool isV4 = family == AF_INET;
  const auto* address = isV4 ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
  if (bind(fd.get(), address, isV4 ? sizeof v4 : sizeof v6) != 0) die("bind");
  if (listen(fd.get(), 4096) != 0) die("listen");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = listeners_.size();  // 0 or 1: no End has such an address
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) die("epoll_ctl");
  listeners_.push_back(std::move(fd));
}

void Limit::run() {
  std::array<epoll_event, 256> events;
  for (;;) {
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.u64 < listeners_.size()) {
        acceptAll(listeners_[event.data.u64].get());
        continue;
      }
      Relay& relay = *static_cast<Relay::End*>(event.data.ptr)->relay;
      if (!relay.dead) step(relay);
    }
    for (Relay* relay : dead_) delete relay;  // only now: an event of this round may name it
    dead_.clear();
  }
}

void Limit::acceptAll(int listener) {
  for (;;) {
    Fd fd(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return;
    enable(fd.get(), IPPROTO_TCP, TCP_NODELAY);
    auto* relay = new Relay;
    for (Relay::End& end : relay->ends) end.relay = relay;
    relay->ends[0].fd = std::move(fd);
    add(relay->ends[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  }
}

void Limit::add(Relay::End& end, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &end;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, end.fd.get(), &event);
}

void Limit::step(Relay& relay) {
  bool alive = true;
  if (relay.stage == Relay::Stage::greeting) alive = greet(relay);
  if (alive && relay.stage == Relay::Stage::request) alive = request(relay);
  if (alive && relay.stage == Relay::Stage::connecting) alive = connected(relay);
  if (alive && relay.stage == Relay::Stage::relaying) {
    auto& [client, destination] = relay.ends;
    alive =
        move(client, destination) && move(destination, client) && !(client.passedOn && destination.passedOn);
  }
  if (alive) return;
  relay.dead = true;
  for (Relay::End& end : relay.ends) end.fd.reset();
  dead_.push_back(&relay);
}

bool Limit::greet(Relay& relay) {
  std::array<unsigned char, 257> in;
  const ssize_t got = recv(relay.ends[0].fd.get(), in.data(), in.size(), 0);
  if (got < 0) return again();
  if (got < 3 || in[0] != 5 || std::memchr(in.data() + 2, 0, static_cast<std::size_t>(got - 2)) == nullptr)
    return false;
  relay.stage = Relay::Stage::request;
  return send(relay.ends[0].fd.get(), "\5\0", 2, MSG_NOSIGNAL) == 2;
}

// The destination of a CONNECT request; a length of 0 when it is something else.
Address literal(const unsigned char* in, std::size_t size) {
  Address address;
  if (in[3] == 1 && size == 10) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    v4->sin_family = AF_INET;
    std::memcpy(&v4->sin_addr, in + 4, 4);
    address.length = sizeof *v4;
  } else if (in[3] == 4 && size == 22) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    v6->sin6_family = AF_INET6;
    std::memcpy(&v6->sin6_addr, in + 4, 16);
    address.length = sizeof *v6;
  }
  return address;
}

const Address* Limit::lookUp(const std::string& name) {
  const auto [it, isNew] = names_.try_emplace(name);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_family = AF_INET;
  addrinfo* found = nullptr;
  if (isNew && getaddrinfo(name.c_str(), nullptr, &hints, &found) == 0) {
    std::memcpy(&it->second.storage, found->ai_addr, found->ai_addrlen);
    it->second.length = found->ai_addrlen;
    freeaddrinfo(found);
  }
  return &it->second;
}

bool Limit::request(Relay& relay) {
  std::array<unsigned char, 262> in;
  const ssize_t got = recv(relay.ends[0].fd.get(), in.data(), in.size(), 0);
  if (got < 0) return again();
  const auto size = static_cast<std::size_t>(got);
  if (size < 10 || in[0] != 5 || in[1] != 1) return false;
  Address address = literal(in.data(), size);
  if (in[3] == 3 && size == 7U + in[4]) address = *lookUp({reinterpret_cast<char*>(in.data()) + 5, in[4]});
  if (address.length == 0) return false;
  // The port is at the same place in both kinds of sockaddr.
  std::memcpy(&reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port, in.data() + size - 2, 2);
  Relay::End& destination = relay.ends[1];
  destination.fd = Fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!destination.fd) return false;
  enable(destination.fd.get(), IPPROTO_TCP, TCP_NODELAY);
  const int result =
      connect(destination.fd.get(), reinterpret_cast<sockaddr*>(&address.storage), address.length);
  if (result != 0 && errno != EINPROGRESS) return false;
  add(destination, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  relay.stage = Relay::Stage::connecting;
  return true;
}

bool Limit::connected(Relay& relay) {
  sockaddr_storage peer;
  socklen_t length = sizeof peer;
  const int fd = relay.ends[1].fd.get();
  int error = 0;
  socklen_t errorLength = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &errorLength);
  if (!error && getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0) return errno == ENOTCONN;
  std::array<unsigned char, 10> reply{5, static_cast<unsigned char>(error ? 5 : 0), 0, 1};
  const bool told = send(relay.ends[0].fd.get(), reply.data(), reply.size(), MSG_NOSIGNAL) == 10;
  relay.stage = Relay::Stage::relaying;
  return told && !error;
}

Pipe Limit::takePipe() {
  if (!pipes_.empty()) {
    Pipe pipe = std::move(pipes_.back());
    pipes_.pop_back();
    return pipe;
  }
  int fds[2];
  if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) die("pipe2");
  fcntl(fds[1], F_SETPIPE_SZ, static_cast<int>(spliceOctets));
  return {Fd(fds[0]), Fd(fds[1])};
}

// Empties the pipe into `to`; false when the relay is broken.
bool Limit::drain(Relay::End& from, Relay::End& to) {
  while (from.held > 0) {
    const ssize_t put = splice(from.pending.in.get(), nullptr, to.fd.get(), nullptr, from.held,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (put < 0) return again();
    from.held -= static_cast<std::size_t>(put);
  }
  return true;
}

bool Limit::move(Relay::End& from, Relay::End& to) {
  if (from.passedOn) return true;
  if (from.held > 0 && !drain(from, to)) return false;
  while (!from.finished && from.held == 0) {
    if (!from.pending.in) from.pending = takePipe();
    const ssize_t got = splice(from.fd.get(), nullptr, from.pending.out.get(), nullptr, spliceOctets,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (got < 0 && !again()) return false;
    if (got < 0) break;
    if (got == 0) from.finished = true;
    from.held += static_cast<std::size_t>(got);
    if (!drain(from, to)) return false;
  }
  if (from.held > 0) return true;
  if (from.pending.in) pipes_.push_back(std::move(from.pending));
  if (!from.finished) return true;
  from.passedOn = true;
  shutdown(to.fd.get(), SHUT_WR);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const long port = argc == 2 ? std::strtol(argv[1], nullptr, 10) : 0;
  if (port < 1 || port > 65535) {
    std::fprintf(stderr, "usage: limit PORT\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  rlimit files{.rlim_cur = 200000, .rlim_max = 200000};
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  Limit(static_cast<std::uint16_t>(port)).run();
}
