// SPDX-License-Identifier: BSD-2-Clause
// bind(), listen(), accept(): a program that wants to be called back by the peer of a connection that
// goes through the Gateway (active FTP) is reached through BIND; every other listening socket is left
// alone.  `bind = auto` takes a socket for such a one when it was bound, without a port of its own, to
// the very address that the connection has on this side.
//
// getsockname() or listen(), whichever comes first (BSD's ftp asks for its port before it listens), holds
// the first half of the conversation; getsockname() then shows where the Gateway listens.  The helper waits
// for the second half.  When it has come the program's own listening socket must become readable, so that
// select() and its kin see it: the helper connects to it, and accept() gives out the Gateway's connection in
// place of that one.  Whoever else connects to the socket came past the Gateway, and is turned away.
#include "socksify/servers.h"

#include <fcntl.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "socksify/ask_gateway.h"
#include "socksify/background.h"
#include "socksify/connect.h"
#include "socksify/process.h"
#include "socksify/real.h"
#include "socksify/socket_table.h"
#include "socksify/socks_lib.h"
#include "socksify/swap.h"

namespace crossgate::socksify {
namespace {

struct ControlConnection {
  int fd = -1;
  std::uint64_t cookie = 0;
  IpAddress local;  // the socket's own, unmapped
  std::optional<IpAddress> shownLocal;
  Destination destination;
  Endpoint peer;
};

/// A listening socket of the program's whose peer comes through the Gateway.
struct Rendezvous {
  Family family = Family::ipv4;
  Endpoint expected;                // the control connection's peer, as the program knows it
  std::optional<Endpoint> knocker;  // our own connection that makes the socket readable
  HiddenSocket connection;          // the one from the Gateway; empty if it has failed
  std::uint16_t peerPort = 0;
};

// The latest connections; a program with more of them open that also listens for one is no FTP client.
constexpr std::size_t kept = 16;
struct State {
  std::mutex mutex;
  std::array<ControlConnection, kept> connections;
  std::size_t latest = 0;
  std::vector<std::uint64_t> boundWithoutPort;  // cookies
  std::map<std::uint64_t, Rendezvous> rendezvous;
};
State& state() noexcept {
  alignas(State) static unsigned char place[sizeof(State)];
  static State* made = new (place) State;
  return *made;
}
constinit std::atomic<bool> anyConnection{false};
constinit std::atomic<bool> anyRendezvous{false};

std::optional<Endpoint> localOf(int fd) noexcept {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (real().getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
  return Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), length);
}

// The latest connection that is still open and meets the condition.
template <class Condition>
std::optional<ControlConnection> latestConnection(Condition condition) {
  State& all = state();
  const std::lock_guard lock(all.mutex);
  for (std::size_t i = 0; i < kept; ++i) {
    const ControlConnection& one = all.connections[(all.latest + kept - i) % kept];
    if (one.cookie != 0 && condition(one) && socketCookie(one.fd) == one.cookie) return one;
  }
  return std::nullopt;
}

std::optional<ControlConnection> connectionFrom(const IpAddress& local) {
  return latestConnection([&](const ControlConnection& one) { return one.local == local; });
}

// What bind() has to be told for an address that only the program believes to be its own.
std::optional<Endpoint> ownInPlaceOf(const Endpoint& wanted) {
  const auto connection =
      latestConnection([&](const ControlConnection& one) { return one.shownLocal == wanted.address; });
  if (!connection || connection->local.family() != wanted.address.family()) return std::nullopt;
  return Endpoint{connection->local, wanted.port};
}

void noteBoundWithoutPort(std::uint64_t cookie) {
  State& all = state();
  const std::lock_guard lock(all.mutex);
  // Sockets that never listen leave their cookies behind: only the latest can matter.
  if (all.boundWithoutPort.size() >= kept) all.boundWithoutPort.erase(all.boundWithoutPort.begin());
  all.boundWithoutPort.push_back(cookie);
}

bool wasBoundWithoutPort(std::uint64_t cookie) {
  State& all = state();
  const std::lock_guard lock(all.mutex);
  return std::erase(all.boundWithoutPort, cookie) != 0;
}

// Whom a listening socket expects, if it has to be the Gateway that listens.
std::optional<ControlConnection> expectedBy(int fd) {
  const BindRule rule = SocksLib::get().config().bind;
  if (rule == BindRule::never || socketOption(fd, SO_TYPE) != SOCK_STREAM) return std::nullopt;
  const auto local = localOf(fd);
  if (!local || local->address.isLoopback()) return std::nullopt;
  const bool withoutPort = wasBoundWithoutPort(socketCookie(fd));
  if (rule == BindRule::automatic && !withoutPort) return std::nullopt;
  auto connection = connectionFrom(local->address.unmapped());
  if (connection || rule == BindRule::automatic) return connection;
  // Anybody may come: RFC 1928 asks for the host expected, and all zeros is what servers take for none.
  ControlConnection anybody;
  anybody.destination = Destination{IpAddress::any(local->address.family()), 0};
  anybody.peer = {IpAddress::any(local->address.family()), 0};
  return anybody;
}

Endpoint unmapped(const Endpoint& one) { return {one.address.unmapped(), one.port}; }

// A socket that has connected to a listening one of this host.  One that listens on :: is not reached over
// IPv6 where the host has none, but it takes IPv4 too.
HiddenSocket knockingAt(const Endpoint& target) {
  HiddenSocket knocking(
      real().socket(toAf(target.address.family()), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_storage storage;
  const socklen_t length = target.toSockaddr(storage);
  const bool reached =
      real().connect(knocking.get(), reinterpret_cast<const sockaddr*>(&storage), length) == 0 ||
      errno == EINPROGRESS;
  if (reached || target.address != IpAddress::any(Family::ipv6)) return knocking;
  return knockingAt({IpAddress::any(Family::ipv4), target.port});
}

/// The second half of BIND: waits until the expected peer has come to the Gateway.
class AwaitedPeer final : public Job {
 public:
  AwaitedPeer(int listening, std::unique_ptr<GatewayLink> link)
      : listening_(listening), cookie_(socketCookie(listening)), link_(std::move(link)) {}

  int fd() const noexcept override { return link_->fd(); }
  short events() const noexcept override { return link_->events(); }
  // How long the peer may take is the Gateway's affair; it answers in either case.
  Clock::time_point deadline() const noexcept override { return Clock::now() + std::chrono::hours(24); }

  bool step() override {
    if (socketCookie(listening_) != cookie_) return true;
    auto progress = link_->advance();
    if (progress && *progress == GatewayLink::Progress::pending) return false;
    const bool come = progress && link_->reply().code == socks5::ReplyCode::succeeded;
    if (!come) tell("nobody came to the gateway for a listening socket");
    knock(come);
    return true;
  }

  bool isConnecting(int) const noexcept override { return false; }
  void duplicated(int, int) override {}
  bool leftBehind(int fd) override { return fd == listening_; }

 private:
  void knock(bool come) {
    const auto target = localOf(listening_);
    State& all = state();
    const std::lock_guard lock(all.mutex);
    const auto found = all.rendezvous.find(cookie_);
    if (!target || found == all.rendezvous.end()) return;
    if (come) {
      found->second.connection = link_->takeSocket();
      found->second.peerPort = link_->reply().bound.port;
    }
    const HiddenSocket knocking = knockingAt(*target);
    if (const auto knocker = localOf(knocking.get())) found->second.knocker = unmapped(*knocker);
    // The listener's queue keeps what has connected, also after this end is closed.
  }

  int listening_;
  std::uint64_t cookie_;
  std::unique_ptr<GatewayLink> link_;
};

Endpoint boundOf(const socks5::Reply& reply, int control) {
  const IpAddress* address = reply.bound.address();
  if (address != nullptr && !address->isUnspecified()) return {*address, reply.bound.port};
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  real().getpeername(control, reinterpret_cast<sockaddr*>(&storage), &length);
  const auto gateway = Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), length);
  return {gateway ? gateway->address : IpAddress(), reply.bound.port};
}

// Holds the first half of the conversation; 0 or an errno.
int bindAtGateway(int fd, const ControlConnection& control) {
  std::unique_ptr<GatewayLink> link;
  auto reply = askGateway({socks5::Command::bind, control.destination}, nullptr, &link);
  if (!reply) {
    tell("listening for %s: %s", control.destination.toString().c_str(), reply.error().detail.c_str());
    return errnoOf(reply.error().failure);
  }
  const Family family = familyOfSocket(fd);
  ShownSocket shown;
  shown.family = family;
  shown.local = boundOf(*reply, link->fd());
  if (family == Family::ipv6) shown.local->address = shown.local->address.mapped();
  const std::uint64_t cookie = socketCookie(fd);
  SocksLib::get().sockets().remember(cookie, shown);
  {
    State& all = state();
    const std::lock_guard lock(all.mutex);
    Rendezvous& rendezvous = all.rendezvous[cookie];
    rendezvous = Rendezvous{};
    rendezvous.family = family;
    rendezvous.expected = control.peer;
  }
  anyRendezvous.store(true, std::memory_order_release);
  link->expectSecondReply();
  return addJob(std::make_unique<AwaitedPeer>(fd, std::move(link))) ? 0 : errno;
}

bool isRendezvous(std::uint64_t cookie) {
  if (!anyRendezvous.load(std::memory_order_acquire)) return false;
  State& all = state();
  const std::lock_guard lock(all.mutex);
  return all.rendezvous.contains(cookie);
}

// Takes what has come for a listening socket; the knock itself proves that it was us.
std::optional<Rendezvous> takeRendezvous(std::uint64_t cookie, const std::optional<Endpoint>& who) {
  State& all = state();
  const std::lock_guard lock(all.mutex);
  const auto found = all.rendezvous.find(cookie);
  if (found == all.rendezvous.end() || !who || found->second.knocker != unmapped(*who)) return std::nullopt;
  Rendezvous taken = std::move(found->second);
  all.rendezvous.erase(found);
  return taken;
}

int giveOut(Rendezvous come, int accepted, sockaddr* address, socklen_t* length) {
  if (come.connection.get() < 0) {
    real().close(accepted);
    errno = ECONNABORTED;
    return -1;
  }
  ShownSocket shown;
  shown.family = come.family;
  shown.peer = {come.expected.address, come.peerPort};
  SocksLib::get().sockets().remember(come.connection.cookie(), shown);
  swapUnder({accepted}, std::move(come.connection));
  if (address != nullptr && length != nullptr) {
    sockaddr_storage storage;
    const socklen_t needed = shown.peer.toSockaddr(storage);
    std::copy_n(reinterpret_cast<const char*>(&storage), std::min(needed, *length),
                reinterpret_cast<char*>(address));
    *length = needed;
  }
  return accepted;
}

int acceptThroughGateway(int fd, std::uint64_t cookie, sockaddr* address, socklen_t* length, int flags) {
  for (;;) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    const int accepted = real().accept4(fd, reinterpret_cast<sockaddr*>(&storage), &size, flags);
    if (accepted < 0) return accepted;
    const auto who = Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), size);
    if (auto come = takeRendezvous(cookie, who)) return giveOut(std::move(*come), accepted, address, length);
    tell("a connection from %s did not come through the gateway", who ? who->toString().c_str() : "?");
    real().close(accepted);
  }
}

}  // namespace

std::optional<Endpoint> shownLocalEnd(const socks5::Reply& reply, const Destination& destination,
                                      Family family) noexcept {
  constexpr std::uint16_t ftpPort = 21;
  const IpAddress* bound = reply.bound.address();
  const bool wanted = destination.port == ftpPort && SocksLib::get().config().bind != BindRule::never;
  if (!wanted || bound == nullptr || bound->isUnspecified() || bound->family() != family) return std::nullopt;
  return Endpoint{*bound, reply.bound.port};
}

void noteConnection(int fd, const Destination& destination, const Endpoint& peer) noexcept {
  const auto local = localOf(fd);
  if (!local) return;
  const bool sameFamily = local->address.unmapped().family() == peer.address.unmapped().family();
  std::optional<IpAddress> shownLocal;
  if (const auto shown = SocksLib::get().sockets().lookup(socketCookie(fd)); shown && shown->local) {
    shownLocal = shown->local->address;
  }
  State& all = state();
  const std::lock_guard lock(all.mutex);
  all.latest = (all.latest + 1) % kept;
  all.connections[all.latest] = {
      fd,
      socketCookie(fd),
      sameFamily ? local->address.unmapped() : IpAddress::any(peer.address.family()),
      shownLocal,
      destination,
      peer};
  anyConnection.store(true, std::memory_order_release);
}

void meetAtGateway(int fd) noexcept {
  if (!anyConnection.load(std::memory_order_acquire) || !mayConnect(fd) || inVforkChild()) return;
  if (SocksLib::get().config().bind != BindRule::automatic) return;  // `always` waits for listen()
  const std::uint64_t cookie = socketCookie(fd);
  const auto expected = expectedBy(fd);
  if (expected && bindAtGateway(fd, *expected) != 0) noteBoundWithoutPort(cookie);  // listen() will tell
}

void lockServers() noexcept { state().mutex.lock(); }
void unlockServers() noexcept { state().mutex.unlock(); }

}  // namespace crossgate::socksify

using namespace crossgate;
using namespace crossgate::socksify;

extern "C" {

int bind(int fd, const sockaddr* address, socklen_t length) noexcept {
  if (!mayConnect(fd) || inVforkChild()) return real().bind(fd, address, length);
  const bool connections = anyConnection.load(std::memory_order_acquire);
  const auto wanted = Endpoint::from(address, length);
  const auto own = wanted && connections ? ownInPlaceOf(*wanted) : std::nullopt;
  sockaddr_storage storage;
  if (own) {
    length = own->toSockaddr(storage);
    address = reinterpret_cast<const sockaddr*>(&storage);
  }
  const int result = real().bind(fd, address, length);
  if (result != 0 || !wanted || wanted->port != 0) return result;
  const KeepErrno keep;
  if (connections || SocksLib::get().config().bind == BindRule::always)
    noteBoundWithoutPort(socketCookie(fd));
  return result;
}

int listen(int fd, int backlog) noexcept {
  if (!mayConnect(fd) || inVforkChild()) return real().listen(fd, backlog);
  const int before = errno;
  const auto expected = expectedBy(fd);
  if (real().listen(fd, backlog) != 0) return -1;
  // One whose peer comes through the Gateway is watched until it is closed.
  if (!expected && !isRendezvous(socketCookie(fd))) settled(fd);
  if (expected) {
    if (const int error = bindAtGateway(fd, *expected); error != 0) {
      errno = error;
      return -1;
    }
  }
  errno = before;
  return 0;
}

int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  if (!anyRendezvous.load(std::memory_order_acquire)) return real().accept4(fd, address, length, flags);
  const std::uint64_t cookie = socketCookie(fd);
  if (!isRendezvous(cookie)) return real().accept4(fd, address, length, flags);
  return acceptThroughGateway(fd, cookie, address, length, flags);
}

int accept(int fd, sockaddr* address, socklen_t* length) {
  if (!anyRendezvous.load(std::memory_order_acquire)) return real().accept(fd, address, length);
  return accept4(fd, address, length, 0);
}

}  // extern "C"
