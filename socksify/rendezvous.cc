// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/rendezvous.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "socksify/ask_gateway.h"
#include "socksify/background.h"
#include "socksify/cancellation.h"
#include "socksify/connect.h"
#include "socksify/real.h"
#include "socksify/socket_table.h"
#include "socksify/socks_lib.h"
#include "socksify/swap.h"

namespace crossgate::socksify {
namespace {

struct Rendezvous {
  Family family = Family::ipv4;
  Endpoint shown;                   // who the program is told has come
  std::optional<Endpoint> knocker;  // our own connection that makes the socket readable
  HiddenSocket connection;          // the one from the Gateway; empty if it has failed
  std::uint16_t peerPort = 0;
};

struct State {
  std::mutex mutex;
  std::map<std::uint64_t, Rendezvous> rendezvous;  // by the listening socket's cookie
};
State& state() noexcept {
  alignas(State) static unsigned char place[sizeof(State)];
  static State* made = new (place) State;
  return *made;
}
constinit std::atomic<bool> anyRendezvous{false};

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
    const auto target = localEndpoint(listening_);
    State& all = state();
    const std::lock_guard lock(all.mutex);
    const auto found = all.rendezvous.find(cookie_);
    if (!target || found == all.rendezvous.end()) return;
    if (come) {
      found->second.connection = link_->takeSocket();
      found->second.peerPort = link_->reply().bound.port;
    }
    const HiddenSocket knocking = knockingAt(*target);
    if (const auto knocker = localEndpoint(knocking.get())) found->second.knocker = unmapped(*knocker);
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
  shown.peer = {come.shown.address, come.peerPort};
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

// What becomes of a connection that a listening socket has accepted: true when the program is told `result`.
[[gnu::noinline]] bool receive(int fd, int accepted, const sockaddr_storage& from, socklen_t size,
                               sockaddr* address, socklen_t* length, int& result) {
  const Uncancelled whole;
  const auto who = Endpoint::from(reinterpret_cast<const sockaddr*>(&from), size);
  if (auto come = takeRendezvous(socketCookie(fd), who)) {
    result = giveOut(std::move(*come), accepted, address, length);
    return true;
  }
  tell("a connection from %s did not come through the gateway", who ? who->toString().c_str() : "?");
  real().close(accepted);
  return false;
}

}  // namespace

int meetAt(int fd, const Destination& expected, const Endpoint& shownPeer) {
  const Uncancelled whole;
  std::unique_ptr<GatewayLink> link;
  auto reply = askGateway({socks5::Command::bind, expected}, nullptr, &link);
  if (!reply) {
    tell("listening for %s: %s", expected.toString().c_str(), reply.error().detail.c_str());
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
    rendezvous.shown = shownPeer;
  }
  anyRendezvous.store(true, std::memory_order_release);
  link->expectSecondReply();
  return addJob(std::make_unique<AwaitedPeer>(fd, std::move(link))) ? 0 : errno;
}

bool isRendezvous(int fd) noexcept {
  if (!anyRendezvous.load(std::memory_order_acquire)) return false;
  State& all = state();
  const std::lock_guard lock(all.mutex);
  return all.rendezvous.contains(socketCookie(fd));
}

int acceptThroughGateway(int fd, sockaddr* address, socklen_t* length, int flags) {
  for (;;) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    int result = real().accept4(fd, reinterpret_cast<sockaddr*>(&storage), &size, flags);
    if (result < 0 || receive(fd, result, storage, size, address, length, result)) return result;
  }
}

void lockRendezvous() noexcept { state().mutex.lock(); }
void unlockRendezvous() noexcept { state().mutex.unlock(); }

}  // namespace crossgate::socksify
