// SPDX-License-Identifier: BSD-2-Clause
// The stage that goes through further gateways instead of dialling the destination: the first hop is dialled,
// each further one is reached through the tunnel so far, and the last is asked for what the client asked of us.
//
// A Chain belongs to one session.  It tries the alternatives of its route, tells the HopBoard which hops fail,
// and counts as a relay of its last hop as long as it lives.  A failure that a hop tells is passed on as it
// is.  One of a hop itself is `general`, with the hop and the reason, or timedOut, denied where a hop does
// not let us in, or noCredentials where we have no ticket for it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "gateway/chain_datagrams.h"
#include "gateway/connection.h"
#include "gateway/dial.h"
#include "gateway/gss_conversation.h"
#include "gateway/hop_board.h"
#include "gateway/hop_talk.h"
#include "gateway/log.h"
#include "gateway/rendezvous.h"
#include "gateway/route.h"
#include "gateway/secrets.h"

namespace crossgate {

/// What a chain depends on beside its route.  References outlive it.
struct ChainSetting {
  Resolver& resolver;
  const DialOptions& dial;
  const RouteOptions& options;
  const Secrets& secrets;
  HopPage& hops;
  GssDesk& gssDesk;
  const Log& log;
  std::string relay;                               ///< its id
  std::function<bool(const Endpoint&)> isOurs;     ///< tells a listener of this Gateway
  std::optional<socks5::Credentials> clientLogin;  ///< the client's own, where the route may pass it on
  unsigned passedGateways = 0;                     ///< before this one
};

class Chain {
 public:
  Chain(ChainSetting setting, const Route& route) : setting_(std::move(setting)), route_(route) {}
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;
  ~Chain();

  /// CONNECT at the last hop.  `peer` of the Connection is the first hop's address, `local` what the last hop has
  /// told.
  Task<Result<Connection>> connect(Destination destination, Deadline deadline);
  /// BIND at the last hop.
  Task<Result<std::unique_ptr<Rendezvous>>> listen(Destination expected, Deadline deadline);
  /// UDP ASSOCIATE at every hop.
  Task<Result<std::vector<ChainDatagrams::Held>>> associate(Deadline deadline);
  /// RESOLVE and RESOLVE_PTR at the last hop.
  Task<Result<Destination>> resolve(socks5::Request request, Deadline deadline);

  /// The way that was taken, for the log; the route's first one before that.
  std::string text() const;

 private:
  // What follows from an attempt that failed.
  enum class Consequence : std::uint8_t {
    down,   // the hop is to blame: another way is tried, and the hop is down
    next,   // another way may do better
    final,  // the destination's failure, or the client's: any way ends so
  };
  struct Setback {
    const Hop* hop = nullptr;
    Consequence consequence = Consequence::down;
  };
  struct Tunnel {
    std::unique_ptr<Stream> stream;
    Endpoint first;  // where the first hop was reached
  };
  struct Opened {
    Tunnel tunnel;
    HopTalk talk;
    Destination bound;
  };
  class Choice;

  Task<Result<std::vector<Opened>>> open(socks5::Request request, Deadline deadline);
  Task<Result<std::vector<Opened>>> tryWay(const HopPath& path, std::size_t waysLeft, socks5::Request request,
                                           Setback& setback, Deadline deadline);
  Result<void> checkDatagrams(const HopPath& path) const;
  Task<Result<Opened>> ask(const HopPath& path, std::size_t last, socks5::Request request, Setback& setback,
                           HopTalk::Patience patience);
  Task<Result<Tunnel>> reach(const HopPath& path, std::size_t last, Setback& setback, Deadline deadline);
  Task<Result<void>> extend(Tunnel& tunnel, const HopPath& path, std::size_t at, Setback& setback);
  HopTalk::Manner manner(const HopPath& path, std::size_t at) const;
  Admit admitHop(const Hop& hop) const;
  HopTalk::Patience patience(const Hop& hop, std::size_t waysLeft, Deadline deadline) const;
  void take(const HopPath& path);
  void noteFailure(const Hop& hop, const Error& error);
  void noteNoCredentials(Setback& setback, const Error& error);
  void noteAnswer(const Hop& hop);

  ChainSetting setting_;
  const Route& route_;
  const HopPath* path_ = nullptr;  // the way that was taken
};

}  // namespace crossgate
