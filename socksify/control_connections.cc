// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/control_connections.h"

#include <array>
#include <atomic>
#include <mutex>
#include <vector>

#include "socksify/connect.h"
#include "socksify/socket_table.h"
#include "socksify/socks_lib.h"

namespace crossgate::socksify {
namespace {

constexpr std::uint16_t ftpPort = 21;

// The latest connections; a program with more of them open that also listens for one is no FTP client.
constexpr std::size_t kept = 16;
struct State {
  std::mutex mutex;
  std::array<ControlConnection, kept> connections;
  std::size_t latest = 0;
  std::vector<std::uint64_t> boundWithoutPort;  // cookies
};
State& state() noexcept {
  alignas(State) static unsigned char place[sizeof(State)];
  static State* made = new (place) State;
  return *made;
}
constinit std::atomic<bool> anyConnection{false};

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

}  // namespace

std::optional<Endpoint> shownLocalEnd(const socks5::Reply& reply, const Destination& destination,
                                      Family family) noexcept {
  const IpAddress* bound = reply.bound.address();
  const bool wanted = destination.port == ftpPort && SocksLib::get().config().bind != BindRule::never;
  if (!wanted || bound == nullptr || bound->isUnspecified() || bound->family() != family) return std::nullopt;
  return Endpoint{*bound, reply.bound.port};
}

void noteConnection(int fd, const Destination& destination, const Endpoint& peer) noexcept {
  const auto local = localEndpoint(fd);
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
      shownLocal.value_or(local->address).unmapped(),
      destination,
      peer};
  anyConnection.store(true, std::memory_order_release);
}

bool anyControlConnection() noexcept { return anyConnection.load(std::memory_order_acquire); }

std::optional<ControlConnection> connectionFrom(const IpAddress& local) {
  return latestConnection([&](const ControlConnection& one) { return one.local == local; });
}

std::optional<Endpoint> ownInPlaceOf(const Endpoint& wanted) {
  const auto connection =
      latestConnection([&](const ControlConnection& one) { return one.shownLocal == wanted.address; });
  if (!connection || connection->local.family() != wanted.address.family()) return std::nullopt;
  return Endpoint{connection->local, wanted.port};
}

// All zeros are also what a connection shows that has no address of the program's family; yet who binds to
// them means any address, unless it is an FTP client.
bool isOwnEnd(const IpAddress& address) {
  return latestConnection([&](const ControlConnection& one) {
           if (address.isUnspecified() && one.destination.port != ftpPort) return false;
           return address == one.seenLocal || (address == one.local && !address.isUnspecified());
         })
      .has_value();
}

void noteBoundWithoutPort(std::uint64_t cookie) {
  State& all = state();
  const std::lock_guard lock(all.mutex);
  // Sockets that never listen leave their cookies behind: only the latest can matter.
  if (all.boundWithoutPort.size() >= kept) all.boundWithoutPort.erase(all.boundWithoutPort.begin());
  all.boundWithoutPort.push_back(cookie);
}

bool takeBoundWithoutPort(std::uint64_t cookie) {
  State& all = state();
  const std::lock_guard lock(all.mutex);
  return std::erase(all.boundWithoutPort, cookie) != 0;
}

void lockControlConnections() noexcept { state().mutex.lock(); }
void unlockControlConnections() noexcept { state().mutex.unlock(); }

}  // namespace crossgate::socksify
