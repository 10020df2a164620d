// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/chain.h"

#include <algorithm>

#include "gateway/chain_rendezvous.h"
#include "gateway/gss_hop.h"
#include "gateway/tls_stream.h"

namespace crossgate {
namespace {

// What the session tells its client about a hop's own failure.  That a hop is gone is not the client's leaving.
Error failureOfHop(const Hop& hop, const Error& error) {
  const bool passedOn = error.failure == Failure::timedOut || error.failure == Failure::denied ||
                        error.failure == Failure::noCredentials || error.failure == Failure::unsupportedCommand ||
                        error.failure == Failure::unsupportedAddress;
  return {passedOn ? error.failure : Failure::general, hop.text + ": " + error.detail};
}

std::uint64_t hashOf(const std::string& text) { return std::hash<std::string>()(text); }

}  // namespace

// The alternatives of a route in the order in which they are to be tried: those with a hop that is down last.
class Chain::Choice {
 public:
  Choice(const Route& route, HopPage& hops, const Destination& destination) : hops_(hops) {
    for (const HopPath& path : route.paths) ways_.push_back(&path);
    if (route.balance == Balance::least) sortBy([&](const HopPath& path) { return hops.relays(path.hops.back().entry); });
    // Rendezvous hashing: a hop that is gone moves only its own destinations.
    if (route.balance == Balance::hash)
      sortBy([&](const HopPath& path) { return hashOf(destination.toString() + ' ' + path.text()); });
  }

  std::size_t left() const { return ways_.size() + postponed_.size(); }

  const HopPath* next() {
    while (!ways_.empty()) {
      const HopPath* way = ways_.front();
      ways_.erase(ways_.begin());
      if (isUp(*way)) return way;
      postponed_.push_back(way);
    }
    if (postponed_.empty()) return nullptr;
    const HopPath* way = postponed_.front();
    postponed_.erase(postponed_.begin());
    return way;
  }

 private:
  template <class Weight>
  void sortBy(Weight weight) {
    std::stable_sort(ways_.begin(), ways_.end(),
                     [&](const HopPath* a, const HopPath* b) { return weight(*a) < weight(*b); });
  }
  bool isUp(const HopPath& path) {
    return std::all_of(path.hops.begin(), path.hops.end(),
                       [&](const Hop& hop) { return hops_.mayTry(hop.entry, Clock::now()); });
  }

  HopPage& hops_;
  std::vector<const HopPath*> ways_;
  std::vector<const HopPath*> postponed_;
};

Chain::~Chain() {
  if (path_ != nullptr) setting_.hops.end(path_->hops.back().entry);
}

std::string Chain::text() const { return "via " + (path_ != nullptr ? *path_ : route_.paths.front()).text(); }

// ---- what a session asks for ---------------------------------------------------------------------

Task<Result<Connection>> Chain::connect(Destination destination, Deadline deadline) {
  socks5::Request request{socks5::Command::connect, std::move(destination)};
  auto opened = co_await open(std::move(request), deadline);
  if (!opened) co_return opened.error();
  Opened& last = opened->back();
  const IpAddress* bound = last.bound.address();
  const Endpoint local{bound != nullptr ? *bound : IpAddress(), last.bound.port};
  co_return Connection{std::move(last.tunnel.stream), last.tunnel.first, local};
}

Task<Result<std::unique_ptr<Rendezvous>>> Chain::listen(Destination expected, Deadline deadline) {
  socks5::Request request{socks5::Command::bind, std::move(expected)};
  auto opened = co_await open(std::move(request), deadline);
  if (!opened) co_return opened.error();
  Opened& last = opened->back();
  co_return std::unique_ptr<Rendezvous>(std::make_unique<ChainRendezvous>(
      std::move(last.tunnel.stream), std::move(last.talk), std::move(last.bound)));
}

Task<Result<Destination>> Chain::resolve(socks5::Request request, Deadline deadline) {
  auto opened = co_await open(std::move(request), deadline);
  if (!opened) co_return opened.error();
  Destination& found = opened->back().bound;
  if (const IpAddress* address = found.address(); address != nullptr && address->isUnspecified())
    co_return Error{Failure::noSuchName, "answered with the address " + address->toString()};
  co_return std::move(found);
}

Task<Result<std::vector<ChainDatagrams::Held>>> Chain::associate(Deadline deadline) {
  // All zeros: each hop learns by the first datagram where the others come from.
  socks5::Request request{socks5::Command::udpAssociate, Destination{IpAddress(), 0}};
  auto opened = co_await open(std::move(request), deadline);
  if (!opened) co_return opened.error();
  std::vector<ChainDatagrams::Held> held;
  for (Opened& each : *opened) {
    // A stream to a hop that seals nothing itself may run through one that does.
    DatagramCipher* cipher = path_->hops[held.size()].gssapi ? each.tunnel.stream->datagrams() : nullptr;
    held.push_back({std::move(each.tunnel.stream), std::move(each.bound), cipher});
  }
  co_return held;
}

// ---- one way after the other ---------------------------------------------------------------------

Task<Result<std::vector<Chain::Opened>>> Chain::open(socks5::Request request, Deadline deadline) {
  if (setting_.passedGateways + 1 >= setting_.options.mostGateways) {
    co_return Error{Failure::denied, "the request has passed " + std::to_string(setting_.passedGateways) +
                                         " gateways before this one (route.gateways): it goes in circles"};
  }
  Choice choice(route_, setting_.hops, request.destination);
  Error last;
  while (const HopPath* path = choice.next()) {
    Setback setback;
    auto opened = co_await tryWay(*path, choice.left(), request, setback, deadline);
    if (opened) {
      take(*path);
      co_return opened;
    }
    last = opened.error();
    if (setback.consequence == Consequence::final) co_return last;
    if (setback.consequence == Consequence::down) noteFailure(*setback.hop, last);
    if (Clock::now() >= deadline) break;
  }
  co_return last;
}

// Asks the last hop, or for UDP each of them, the nearest first.
Task<Result<std::vector<Chain::Opened>>> Chain::tryWay(const HopPath& path, std::size_t waysLeft,
                                                       socks5::Request request, Setback& setback,
                                                       Deadline deadline) {
  const std::size_t last = path.hops.size() - 1;
  const bool datagrams = request.command == socks5::Command::udpAssociate;
  if (datagrams) {
    setback = {&path.hops.front(), Consequence::next};
    if (auto carried = checkDatagrams(path); !carried) co_return carried.error();
  }
  std::vector<Opened> all;
  for (std::size_t at = datagrams ? 0 : last; at <= last; ++at) {
    const HopTalk::Patience waits = patience(path.hops[at], waysLeft, deadline);
    auto opened = co_await ask(path, at, request, setback, waits);
    if (!opened) co_return opened.error();
    all.push_back(*std::move(opened));
  }
  co_return all;
}

Result<void> Chain::checkDatagrams(const HopPath& path) const {
  for (const Hop& hop : path.hops) {
    if (hop.protocol != HopProtocol::socks5)
      return Error{Failure::unsupportedCommand, hop.text + ": carries no UDP"};
    if (hop.tls && !hop.gssapi && !setting_.options.udp)
      return Error{Failure::unsupportedCommand, hop.text + ": TLS does not protect datagrams (route.udp)"};
  }
  return {};
}

// A hop that speaks before it has reached the destination shows by that that it lives.  Of the others each has its
// share of the time, as long as there is another.
HopTalk::Patience Chain::patience(const Hop& hop, std::size_t waysLeft, Deadline deadline) const {
  const Deadline soon = std::min(deadline, in(setting_.options.timeout));
  if (hop.protocol == HopProtocol::socks5) return {soon, deadline};
  const auto now = Clock::now();
  const Deadline share = now + (deadline - now) / (waysLeft + 1);
  return {share, share};
}

// Asks the hop `at` of the way, through those before it.
Task<Result<Chain::Opened>> Chain::ask(const HopPath& path, std::size_t at, socks5::Request request,
                                       Setback& setback, HopTalk::Patience patience) {
  const Hop& hop = path.hops[at];
  const bool toldWhere = request.command != socks5::Command::resolve && request.command != socks5::Command::resolvePtr;
  auto talk = HopTalk::create(hop, manner(path, at), std::move(request));
  if (!talk) {
    setback = {&hop, Consequence::next};
    co_return failureOfHop(hop, talk.error());
  }
  auto tunnel = co_await reach(path, at, setback, patience.toReply);
  if (!tunnel) co_return tunnel.error();
  const auto reply = co_await talk->converse(*tunnel->stream, patience);
  setback = {&hop, Consequence::down};
  if (!reply) {
    const Error& error = reply.error();
    const bool clientsLogin = error.failure == Failure::denied && route_.login != PassLogin::no;
    const bool slow = error.failure == Failure::timedOut && talk->heard();
    if (slow || clientsLogin) setback.consequence = Consequence::final;
    // What a client can bring about by its choice of a destination takes no hop from the others.
    const bool silent = hop.protocol != HopProtocol::socks5 && error.failure == Failure::timedOut;
    const bool brokeOff = talk->heard() && error.failure != Failure::denied && error.failure != Failure::malformed;
    if (!slow && (silent || brokeOff)) setback.consequence = Consequence::next;
    co_return failureOfHop(hop, error);
  }
  noteAnswer(hop);
  if (reply->code != socks5::ReplyCode::succeeded) {
    setback.consequence = Consequence::final;
    co_return Error{socks5::failureOf(reply->code), "told by " + hop.text};
  }
  Destination bound = reply->bound;
  // Where something listens for us, all zeros mean the hop's own address.
  if (const IpAddress* address = bound.address(); toldWhere && address != nullptr && address->isUnspecified()) {
    if (at == 0)
      bound.host = tunnel->first.address;
    else
      bound.host = hop.address.host;
  }
  co_return Opened{*std::move(tunnel), *std::move(talk), std::move(bound)};
}

// The way up to the hop `last`, ready for the conversation with it.
Task<Result<Chain::Tunnel>> Chain::reach(const HopPath& path, std::size_t last, Setback& setback,
                                         Deadline deadline) {
  const Hop& first = path.hops.front();
  setback = {&first, Consequence::down};
  Admit admit = admitHop(first);
  auto dialled = co_await dial(setting_.resolver, setting_.dial, first.address, std::move(admit),
                               std::min(deadline, in(setting_.options.timeout)));
  if (!dialled) co_return failureOfHop(first, dialled.error());
  Tunnel tunnel{std::move(dialled->stream), dialled->peer};
  for (std::size_t at = 0;; ++at) {
    const Hop& hop = path.hops[at];
    const Deadline soon = std::min(deadline, in(setting_.options.timeout));
    setback.hop = &hop;
    if (hop.tls) {
      auto secured = co_await connectTls(std::move(tunnel.stream), *setting_.secrets.hopTls,
                                         hop.address.hostText(), soon);
      if (!secured) co_return failureOfHop(hop, secured.error());
      tunnel.stream = *std::move(secured);
    }
    if (hop.gssapi) {
      GssHopSetting gss{"rcmd@" + hop.address.hostText(), setting_.passedGateways + static_cast<unsigned>(at) + 1,
                        setting_.options.gssLevel};
      auto sealed = co_await connectGss(setting_.gssDesk, std::move(tunnel.stream), std::move(gss), soon);
      if (!sealed) {
        if (sealed.error().failure == Failure::noCredentials) noteNoCredentials(setback, sealed.error());
        co_return failureOfHop(hop, sealed.error());
      }
      tunnel.stream = *std::move(sealed);
    }
    if (at == last) co_return tunnel;
    if (auto extended = co_await extend(tunnel, path, at, setback); !extended) co_return extended.error();
  }
}

// Asks the hop `at` for a connection to the one behind it.
Task<Result<void>> Chain::extend(Tunnel& tunnel, const HopPath& path, std::size_t at, Setback& setback) {
  const Hop& hop = path.hops[at];
  const Hop& further = path.hops[at + 1];
  auto talk =
      HopTalk::create(hop, manner(path, at), socks5::Request{socks5::Command::connect, further.address});
  if (!talk) {
    setback.consequence = Consequence::next;
    co_return failureOfHop(hop, talk.error());
  }
  const HopTalk::Patience soon{in(setting_.options.timeout), in(setting_.options.timeout)};
  const auto reply = co_await talk->converse(*tunnel.stream, soon);
  if (!reply) {
    if (talk->heard() && reply.error().failure == Failure::timedOut) setback.hop = &further;
    co_return failureOfHop(*setback.hop, reply.error());
  }
  noteAnswer(hop);
  if (reply->code == socks5::ReplyCode::succeeded) co_return Result<void>{};
  setback.hop = &further;
  co_return failureOfHop(further, {socks5::failureOf(reply->code), "not reached from " + hop.text});
}

HopTalk::Manner Chain::manner(const HopPath& path, std::size_t at) const {
  const Hop& hop = path.hops[at];
  HopTalk::Manner manner{hop.credentials, route_.pipeline,
                         setting_.passedGateways + static_cast<unsigned>(at) + 1};
  if (!hop.secretFile.empty()) manner.credentials = setting_.secrets.hopLogins.at(hop.secretFile);
  if (route_.login != PassLogin::no && at + 1 == path.hops.size()) manner.credentials = setting_.clientLogin;
  return manner;
}

Admit Chain::admitHop(const Hop& hop) const {
  return [this, port = hop.address.port](const IpAddress& address, const std::string&) -> Result<void> {
    if (setting_.isOurs({address, port})) return Error{Failure::denied, "it is this Gateway itself"};
    return {};
  };
}

// ---- what is known of hops -----------------------------------------------------------------------

void Chain::take(const HopPath& path) {
  path_ = &path;
  setting_.hops.begin(path.hops.back().entry);
}

void Chain::noteFailure(const Hop& hop, const Error& error) {
  if (!setting_.hops.failed(hop.entry, Clock::now())) return;
  setting_.log.line(LogLevel::warning)
      .field("event", "hop down")
      .field("hop", hop.text)
      .field("relay", setting_.relay)
      .field("reason", error.detail);
}

// That is no fault of the hop's: others may have what we lack.
void Chain::noteNoCredentials(Setback& setback, const Error& error) {
  setback.consequence = Consequence::next;
  setting_.log.line(LogLevel::warning)
      .field("event", "no credentials for hop")
      .field("hop", setback.hop->text)
      .field("relay", setting_.relay)
      .field("reason", error.detail);
}

void Chain::noteAnswer(const Hop& hop) {
  if (!setting_.hops.answered(hop.entry)) return;
  setting_.log.line(LogLevel::info).field("event", "hop up").field("hop", hop.text).field("relay", setting_.relay);
}

}  // namespace crossgate
