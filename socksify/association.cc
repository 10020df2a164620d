// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/association.h"

#include <algorithm>
#include <map>

#include "socksify/ask_gateway.h"
#include "socksify/connect.h"
#include "socksify/fd_hints.h"
#include "socksify/real.h"
#include "socksify/socket_table.h"
#include "socksify/socks_lib.h"

namespace crossgate::socksify {
namespace {

// A socket that talks to more hosts than this forgets the oldest.
constexpr std::size_t maxCorrespondents = 1024;

constinit FdHints hints;

using Associations = std::map<std::uint64_t, std::shared_ptr<Association>>;
constinit std::mutex associationsMutex;
Associations& associations() {
  alignas(Associations) static unsigned char place[sizeof(Associations)];
  static auto* map = new (place) Associations;
  return *map;
}

// RFC 1928 lets the server leave the address out: then it is the one of the TCP connection.
Result<Endpoint> relayOf(const socks5::Reply& reply, const HiddenSocket& control) {
  const IpAddress* bound = reply.bound.address();
  if (bound != nullptr && !bound->isUnspecified()) return Endpoint{*bound, reply.bound.port};
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  real().getpeername(control.get(), reinterpret_cast<sockaddr*>(&storage), &length);
  auto peer = Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), length);
  if (!peer) return Error{Failure::peerGone, "the gateway left"};
  return Endpoint{peer->address, reply.bound.port};
}

bool isDatagram(int fd) noexcept { return socketOption(fd, SO_TYPE) == SOCK_DGRAM; }

}  // namespace

bool Association::isAlive() const noexcept {
  if (!relay_ || !control_.isOurs()) return false;
  char octet;
  const ssize_t got = real().recv(control_.get(), &octet, 1, MSG_PEEK | MSG_DONTWAIT);
  return got > 0 || (got < 0 && errno == EAGAIN);
}

Result<Endpoint> Association::relay() {
  {
    const std::lock_guard lock(mutex_);
    if (isAlive()) return *relay_;
  }
  // Not under the lock, because it takes a while; of two threads that come here one's is dropped.
  HiddenSocket control;
  const Family any = family_;
  auto reply = askGateway({socks5::Command::udpAssociate, {IpAddress::any(any), 0}}, &control);
  if (!reply) return reply.error();
  auto relay = relayOf(*reply, control);
  if (!relay) return relay.error();
  const std::lock_guard lock(mutex_);
  if (!isAlive()) {
    control_ = std::move(control);
    relay_ = relay->unmapped();
  }
  return *relay_;
}

bool Association::isRelay(const Endpoint& sender) const {
  const std::lock_guard lock(mutex_);
  return relay_ && *relay_ == sender.unmapped();
}

void Association::noteSent(const Endpoint& to) {
  const std::lock_guard lock(mutex_);
  const auto known = std::find_if(correspondents_.begin(), correspondents_.end(),
                                  [&](const Correspondent& one) { return one.shown == to; });
  if (known != correspondents_.end()) return;
  if (correspondents_.size() >= maxCorrespondents) correspondents_.erase(correspondents_.begin());
  Correspondent one{to, {}};
  if (!SocksLib::get().names().isFake(to.address)) one.real = to.unmapped();
  correspondents_.push_back(one);
}

// The Gateway tells the address of the sender, not the name that it was sent to.  Who has answered
// before is known; somebody new is the first of those not heard of yet, whose port it is.
Endpoint Association::shownSender(const Destination& from) {
  SocksLib& lib = SocksLib::get();
  const IpAddress* address = from.address();
  if (address == nullptr) {
    auto fake = lib.names().assign(std::get<std::string>(from.host), family_);
    return {fake ? *fake : IpAddress::any(family_), from.port};
  }
  const Endpoint sender{address->unmapped(), from.port};
  const std::lock_guard lock(mutex_);
  for (const auto& one : correspondents_) {
    if (one.real == sender) return one.shown;
  }
  for (auto& one : correspondents_) {
    if (one.real || one.shown.port != sender.port) continue;
    one.real = sender;
    return one.shown;
  }
  if (family_ == Family::ipv6) return {sender.address.mapped(), sender.port};
  if (sender.address.isV4()) return sender;
  // An IPv4 program hears of an IPv6 host: it can be shown, and answered, as a fake.
  auto fake = lib.names().assign(sender.address.toString(), Family::ipv4);
  return {fake ? *fake : IpAddress::any(Family::ipv4), sender.port};
}

void Association::setPeer(std::optional<Endpoint> peer) {
  const std::lock_guard lock(mutex_);
  peer_ = peer;
}

std::optional<Endpoint> Association::peer() const {
  const std::lock_guard lock(mutex_);
  return peer_;
}

bool mayBeAssociated(int fd) noexcept { return hints.has(fd); }

std::shared_ptr<Association> associationOf(int fd) noexcept {
  if (!mayBeAssociated(fd)) return nullptr;
  const std::uint64_t cookie = socketCookie(fd);
  {
    const std::lock_guard lock(associationsMutex);
    if (const auto found = associations().find(cookie); found != associations().end()) return found->second;
  }
  // What is shown of a socket is known to the whole tree; its association ended with the program before.
  const auto shown = SocksLib::get().sockets().lookup(cookie);
  if (!shown || shown->peer.port == 0 || !isDatagram(fd)) return nullptr;
  auto association = associate(fd, shown->family);
  association->setPeer(shown->peer);
  return association;
}

bool isAssociated(int fd) noexcept { return mayBeAssociated(fd) && associationOf(fd) != nullptr; }

std::shared_ptr<Association> associate(int fd, Family family) {
  const std::uint64_t cookie = socketCookie(fd);
  hints.mark(fd);
  const std::lock_guard lock(associationsMutex);
  auto& association = associations()[cookie];
  if (association == nullptr) association = std::make_shared<Association>(family);
  return association;
}

void moveAssociation(std::uint64_t from, std::uint64_t to) {
  const std::lock_guard lock(associationsMutex);
  auto node = associations().extract(from);
  if (node.empty()) return;
  node.key() = to;
  associations().insert(std::move(node));
}

// Closing one number ends the association only if no other number has it: nobody counts those, but the
// hint of every number that dup() made of it is set.
void dissociate(int fd) noexcept {
  if (!mayBeAssociated(fd)) return;
  hints.unmark(fd);
  const std::uint64_t cookie = socketCookie(fd);
  if (hints.any([cookie](int other) { return socketCookie(other) == cookie; })) return;
  std::shared_ptr<Association> last;  // ends after the lock is given back
  const std::lock_guard lock(associationsMutex);
  if (const auto found = associations().find(cookie); found != associations().end()) {
    last = std::move(found->second);
    associations().erase(found);
  }
}

void associationFollows(int from, int to) noexcept {
  if (mayBeAssociated(from)) hints.mark(to);
}

void noteInherited() noexcept {
  // Programs hand on descriptors by numbers that are written down, so by low ones.
  constexpr int lowNumbers = 32;
  const int saved = errno;
  for (int fd = 0; fd < lowNumbers; ++fd) {
    if (isDatagram(fd)) hints.mark(fd);
  }
  errno = saved;
}

void lockAssociations() noexcept {
  associationsMutex.lock();
  for (const auto& [cookie, association] : associations()) association->lock();
}

void unlockAssociations() noexcept {
  for (const auto& [cookie, association] : associations()) association->unlock();
  associationsMutex.unlock();
}

}  // namespace crossgate::socksify
