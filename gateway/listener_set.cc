// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/listener_set.h"

#include <algorithm>
#include <utility>

#include "gateway/interface_watch.h"

namespace crossgate {
namespace {

// The host has no such address, or none of the family.
bool isAbsent(const Error& error) { return error.failure == Failure::networkUnreachable; }

}  // namespace

// Where two of the configuration mean one address, the first has it.
std::vector<ListenerSet::Place> ListenerSet::placesOf(const std::vector<ListenerConfig>& wanted) {
  std::vector<Place> places;
  const auto add = [&](std::uint16_t index, const Endpoint& endpoint) {
    const bool given = std::any_of(places.begin(), places.end(), [&](const Place& earlier) {
      return earlier.endpoint == endpoint && endpoint.port != 0;
    });
    if (!given) places.push_back({index, endpoint, endpoint.toString()});
  };
  for (std::uint16_t index = 0; index < wanted.size(); ++index) {
    const ListenerConfig& one = wanted[index];
    if (one.interface.empty()) {
      add(index, one.endpoint);
      continue;
    }
    const auto addresses = addressesOf(one.interface);
    for (const IpAddress& address : addresses) add(index, {address, one.endpoint.port});
    if (addresses.empty()) {
      places.push_back({index, std::nullopt, one.interface + ":" + std::to_string(one.endpoint.port)});
    }
  }
  return places;
}

// For each place the listener that is there already, if any.
ListenerSet::Kept ListenerSet::findKept(const std::vector<Place>& places) {
  Kept kept;
  for (const Place& place : places) {
    const auto found = std::find_if(standing_.begin(), standing_.end(), [&](Standing& each) {
      return each.listener && each.place.endpoint == place.endpoint &&
             std::find(kept.begin(), kept.end(), &each) == kept.end();
    });
    kept.push_back(found == standing_.end() ? nullptr : &*found);
  }
  return kept;
}

// Leaves `standing` waiting where only the address is missing.
Result<void> ListenerSet::openAt(Standing& standing, const Kept& kept, std::vector<Listener*>& suspended) {
  if (!standing.place.endpoint) {
    standing.reason = "the interface is not there, or has no address";
    return {};
  }
  const Endpoint& endpoint = *standing.place.endpoint;
  auto opened = Listener::open(endpoint);
  if (!opened && makeRoom(endpoint, kept, suspended)) opened = Listener::open(endpoint);
  if (opened) {
    standing.listener = *std::move(opened);
    return {};
  }
  standing.reason = opened.error().detail;
  if (isAbsent(opened.error())) return {};
  return opened.error();
}

// A listener that goes anyway may be what is in the way: 0.0.0.0:1080 of 192.0.2.1:1080.  It stops to
// listen, but keeps its socket, so that it can come back when the new configuration fails.
bool ListenerSet::makeRoom(const Endpoint& endpoint, const Kept& kept, std::vector<Listener*>& suspended) {
  bool made = false;
  for (Standing& each : standing_) {
    if (!each.listener || each.handed || std::find(kept.begin(), kept.end(), &each) != kept.end()) continue;
    const Endpoint& theirs = each.listener->endpoint();
    if (theirs.port != endpoint.port || theirs.address.family() != endpoint.address.family()) continue;
    if (std::find(suspended.begin(), suspended.end(), each.listener.get()) != suspended.end()) continue;
    each.listener->suspend();
    suspended.push_back(each.listener.get());
    made = true;
  }
  return made;
}

Result<void> ListenerSet::adopt(const std::vector<ListenerConfig>& wanted, const Log& log,
                                InheritedSockets handed) {
  const std::vector<Place> places = placesOf(wanted);
  const Kept kept = findKept(places);
  const bool someHanded = !handed.empty();
  std::vector<Standing> next(places.size());
  std::vector<Listener*> suspended;
  for (std::size_t i = 0; i < places.size(); ++i) {
    next[i].place = places[i];
    if (kept[i] != nullptr) continue;
    if (Fd fd = places[i].endpoint ? handed.take(*places[i].endpoint) : Fd(); fd) {
      next[i].listener = Listener::adopt(*places[i].endpoint, std::move(fd));
      next[i].handed = true;
      continue;
    }
    if (auto opened = openAt(next[i], kept, suspended); !opened) {
      next.clear();  // they may be in the way of those that come back
      for (Listener* listener : suspended) listener->resume();
      return opened.error();
    }
    if (someHanded && next[i].listener) {
      log.line(LogLevel::info)
          .field("event", "not among the sockets handed over")
          .field("address", places[i].name);
    }
  }
  for (const std::string& left : handed.describe()) {
    log.line(LogLevel::warning).field("event", "socket handed over for no listener").field("socket", left);
  }
  // Only now that nothing can fail any more.
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (kept[i] == nullptr) continue;
    next[i].listener = std::move(kept[i]->listener);
    next[i].handed = kept[i]->handed;
  }
  wanted_ = wanted;
  standing_ = std::move(next);
  for (Standing& each : standing_) tell(log, each);
  return {};
}

void ListenerSet::refresh(const Log& log) {
  const std::vector<Place> places = placesOf(wanted_);
  const Kept kept = findKept(places);
  std::vector<Standing> next(places.size());
  std::vector<Listener*> none;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (kept[i] != nullptr) {
      next[i] = std::move(*kept[i]);
      next[i].place = places[i];
      continue;
    }
    next[i].place = places[i];
    const auto before = std::find_if(standing_.begin(), standing_.end(),
                                     [&](const Standing& each) { return each.place.name == places[i].name; });
    if (before != standing_.end()) next[i].told = before->told;
    (void)openAt(next[i], kept, none);  // it goes on waiting, whatever the reason
    tell(log, next[i]);
  }
  for (const Standing& gone : standing_) {
    if (!gone.listener) continue;
    log.line(LogLevel::info)
        .field("event", "listener closed")
        .field("address", gone.place.name)
        .field("reason", "the interface has this address no more");
  }
  standing_ = std::move(next);
  if (watching_) watch();
}

// Says what has become of a place, unless the log has it already.
void ListenerSet::tell(const Log& log, Standing& standing) {
  const std::string news = standing.listener ? "listening" : standing.reason;
  if (std::exchange(standing.told, news) == news) return;
  if (standing.listener) {
    log.line(LogLevel::info)
        .field("event", "listening")
        .field("address", standing.listener->endpoint().toString());
    return;
  }
  log.line(LogLevel::warning)
      .field("event", "listener waits")
      .field("address", standing.place.name)
      .field("reason", standing.reason);
}

void ListenerSet::watch() {
  watching_ = true;
  for (const Standing& each : standing_) {
    if (!each.listener) continue;
    each.listener->watch(loop_, [this, index = each.place.index](Listener& ready) { onClients_(ready, index); });
  }
}

void ListenerSet::pause() noexcept {
  watching_ = false;
  for (const Standing& each : standing_) {
    if (each.listener) each.listener->stop();
  }
}

void ListenerSet::closeAll() noexcept {
  wanted_.clear();
  standing_.clear();
}

std::vector<int> ListenerSet::descriptors() const {
  std::vector<int> fds;
  for (const Standing& each : standing_) {
    if (each.listener) fds.push_back(each.listener->fd());
  }
  return fds;
}

std::size_t ListenerSet::open() const noexcept { return descriptors().size(); }

}  // namespace crossgate
