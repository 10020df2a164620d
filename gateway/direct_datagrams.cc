// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/direct_datagrams.h"

#include <algorithm>
#include <cstring>

#include "lib/socks5.h"

namespace crossgate {
namespace {

constexpr std::size_t maxSearches = 16;
constexpr std::size_t maxOctetsWaiting = 256 * 1024;
constexpr std::chrono::seconds searchPatience{10};
constexpr std::chrono::seconds longestLife{24 * 3600};
constexpr std::chrono::seconds refusalLife{10};

constexpr std::size_t keyAt = 3;  // behind RSV and FRAG

std::string_view keyOf(OctetSpan framed, std::size_t headerSize) {
  return {reinterpret_cast<const char*>(framed.data()) + keyAt, headerSize - keyAt};
}

SendBatch& batchOf(Family family) {
  static SendBatch batches[2];
  return batches[static_cast<std::size_t>(family)];
}

// Writes the header that names the sender in front of the payload, and gives the whole.
OctetSpan frame(ReceiveBatch& batch, std::size_t i, const Endpoint& sender) {
  const OctetSpan address = sender.address.octets();
  const std::size_t size = 4 + address.size() + 2;
  std::uint8_t* at = batch.headroom(i) + maxAddressHeader - size;
  const OctetSpan framed(at, size + batch.datagram(i).size());
  const std::uint8_t head[] = {0, 0, 0, static_cast<std::uint8_t>(sender.address.isV4() ? 1 : 4)};
  at = std::copy(std::begin(head), std::end(head), at);
  at = std::copy(address.begin(), address.end(), at);
  *at++ = static_cast<std::uint8_t>(sender.port >> 8);
  *at = static_cast<std::uint8_t>(sender.port & 0xff);
  return framed;
}

}  // namespace

std::size_t DirectDatagrams::AddressHash::operator()(const IpAddress& address) const noexcept {
  const OctetSpan octets = address.octets();
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(octets.data()), octets.size()});
}

DirectDatagrams::DirectDatagrams(DatagramSetting setting, DatagramCounts& counts)
    : setting_(std::move(setting)), counts_(counts) {}

// ---- towards the destinations ----------------------------------------------------------------------

void DirectDatagrams::send(std::span<const OctetSpan> framed) {
  for (const OctetSpan datagram : framed) {
    const std::size_t headerSize = frameHeaderSize(datagram);
    if (headerSize == 0) {
      counts_.drop(Drop::malformed);
      continue;
    }
    Route& route = routeOf(keyOf(datagram, headerSize), datagram);
    switch (route.state) {
      case Route::State::open: queue(route, datagram.subspan(headerSize)); break;
      case Route::State::closed: counts_.drop(route.why); break;
      case Route::State::resolving: keepWaiting(route, datagram); break;
    }
  }
  flush(Family::ipv4);
  flush(Family::ipv6);
}

DirectDatagrams::Route& DirectDatagrams::routeOf(std::string_view key, OctetSpan framed) {
  const auto known = routes_.find(key);
  if (known == routes_.end()) {
    makeRoom();
    Route& route = routes_[std::string(key)];
    learn(route, key, framed);
    return route;
  }
  Route& route = known->second;
  if (route.until != never && route.state != Route::State::resolving && Clock::now() >= route.until) {
    route = Route();
    learn(route, key, framed);
  }
  return route;
}

void DirectDatagrams::learn(Route& route, std::string_view key, OctetSpan framed) {
  Reader reader(framed);
  const auto header = socks5::decodeUdpHeader(reader);
  if (!header) return refuse(route, Drop::malformed, header.error());
  const Destination& destination = header->destination;
  if (const auto permitted = setting_.permit(destination); !permitted) {
    return refuse(route, Drop::denied, permitted.error());
  }
  if (const IpAddress* address = destination.address()) {
    return open(route, address->unmapped(), destination.port);
  }
  if (searches_.size() >= maxSearches) {
    return refuse(route, Drop::unresolved, {Failure::exhausted, "too many names at once"});
  }
  searches_.emplace_front();
  searches_.front().owner = this;
  searches_.front().place = searches_.begin();
  searches_.front().task = search(std::string(key), destination);
  // May end at once, and is gone then.
  searches_.front().task.start(
      [](void* context) noexcept {
        auto* ended = static_cast<Search*>(context);
        ended->owner->searches_.erase(ended->place);
      },
      &searches_.front());
}

Task<void> DirectDatagrams::search(std::string key, Destination destination) {
  Admit admit = [this, &destination](const IpAddress& address, const std::string& foundAs) {
    return setting_.admit(destination, address, foundAs);
  };
  auto found = co_await lookUp(setting_.resolver, std::get<std::string>(destination.host), setting_.prefer,
                               std::move(admit), in(searchPatience));
  Route& route = routes_.find(key)->second;  // one that is resolving is never forgotten
  if (found) {
    open(route, found->addresses.front(), destination.port);
    // A record that may not be kept at all would cost a query for each datagram.
    route.until = in(std::clamp<Clock::duration>(found->ttl, setting_.shortestLife, longestLife));
  } else {
    refuse(route, found.error().failure == Failure::denied ? Drop::denied : Drop::unresolved, found.error());
  }
  for (const Octets& datagram : std::exchange(route.waiting, {})) {
    octetsWaiting_ -= datagram.size();
    const OctetSpan framed(datagram);
    send({&framed, 1});
  }
}

void DirectDatagrams::keepWaiting(Route& route, OctetSpan framed) {
  if (octetsWaiting_ + framed.size() > maxOctetsWaiting) return counts_.drop(Drop::unresolved);
  octetsWaiting_ += framed.size();
  route.waiting.emplace_back(framed.begin(), framed.end());
}

void DirectDatagrams::open(Route& route, const IpAddress& address, std::uint16_t port) {
  makeRoom();  // a name that is learnt anew has another address each time; this route is still resolving, and stays
  route.state = Route::State::open;
  route.to = {address, port};
  contacted_.insert(address.withoutZone());
}

void DirectDatagrams::refuse(Route& route, Drop why, const Error& error) {
  route.state = Route::State::closed;
  route.why = why;
  route.until = in(refusalLife);
  if (counts_.refusal.empty()) counts_.refusal = error.detail;
}

// A client that speaks with more hosts than we remember makes us learn again, which costs it nothing but
// the replies that are under way.
void DirectDatagrams::makeRoom() {
  if (routes_.size() < setting_.mostRemembered && contacted_.size() < setting_.mostRemembered) return;
  std::erase_if(routes_, [](const auto& entry) { return entry.second.state != Route::State::resolving; });
  contacted_.clear();
}

void DirectDatagrams::queue(const Route& route, OctetSpan payload) {
  const Family family = route.to.address.family();
  if (!ready(family)) return counts_.drop(Drop::unsent);
  SendBatch& batch = batchOf(family);
  if (batch.full()) flush(family);
  batch.add(payload, route.to);
}

bool DirectDatagrams::ready(Family family) {
  Side& side = sideOf(family);
  if (side.socket) return true;
  const auto& source = setting_.source.of(family);
  auto fd = openDatagramSocket(source.value_or(IpAddress::any(family)), {});
  if (!fd) {
    if (counts_.refusal.empty()) counts_.refusal = fd.error().detail;
    return false;
  }
  side.socket = std::make_unique<Socket>(setting_.resolver.loop(), *std::move(fd));
  // Nothing is taken in before the loop's next turn: the client's datagrams are in the same buffers now.
  side.socket->blockedReading();
  side.task = receiveBatches(*side.socket, [this](std::size_t count) { deliver(count); });
  side.task.start([](void*) noexcept {}, nullptr);
  return true;
}

void DirectDatagrams::flush(Family family) {
  SendBatch& batch = batchOf(family);
  if (batch.empty()) return;
  const SendBatch::Outcome outcome = batch.flush(sideOf(family).socket->fd());
  counts_.sent += outcome.sent;
  counts_.octetsSent += outcome.octets;
  counts_.drop(Drop::oversized, outcome.oversized);
  counts_.drop(Drop::unsent, outcome.unsent);
}

// ---- towards the client ----------------------------------------------------------------------------

void DirectDatagrams::deliver(std::size_t count) {
  ReceiveBatch& batch = receiveBatch();
  std::array<OctetSpan, batchSize> framed;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Endpoint sender = batch.sender(i);
    if (invited(sender)) {
      framed[kept++] = frame(batch, i, sender);
    } else {
      counts_.drop(Drop::uninvited);
    }
  }
  client_->deliver({framed.data(), kept});
}

bool DirectDatagrams::invited(const Endpoint& sender) {
  if (contacted_.contains(sender.address.withoutZone())) return true;
  if (setting_.peers == DatagramPeers::contacted) return false;
  if (const auto known = strangers_.find(sender); known != strangers_.end()) return known->second;
  // However many there are, they take nothing from what the client has sent to.
  if (strangers_.size() >= setting_.mostRemembered) strangers_.clear();
  return strangers_[sender] = setting_.permit({sender.address, sender.port}).has_value();
}

}  // namespace crossgate
