// SPDX-License-Identifier: BSD-2-Clause
// Outbound: a session's way to its destination, direct or through a chain as the routes say; what uses it does
// not know which.
//
// It owns the chain until it is released.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "gateway/authorize.h"
#include "gateway/chain.h"
#include "gateway/connection.h"
#include "gateway/destination_side.h"
#include "gateway/direct_datagrams.h"
#include "gateway/rendezvous.h"
#include "gateway/services.h"

namespace crossgate {

class Outbound {
 public:
  /// What hops learn of the client.
  struct Passenger {
    std::optional<socks5::Credentials> login;  ///< as it has logged in here
    unsigned passedGateways = 0;               ///< before it came here
  };

  /// Chooses the route.  `asked` outlives this object.
  Outbound(Services& services, const Authorization& asked, Passenger passenger);

  /// May the client do what it asks for, as far as it is known yet?
  Result<void> authorize() const;

  Task<Result<Connection>> connect(Deadline deadline);
  /// `clientSide` and `onStranger`: see BindSetting.
  Task<Result<std::unique_ptr<Rendezvous>>> listen(IpAddress clientSide,
                                                   std::function<void(const Endpoint&)> onStranger,
                                                   Deadline deadline);
  Task<Result<Destination>> resolve(bool reverse, Preference prefer, Deadline deadline);
  Task<Result<std::unique_ptr<DestinationSide>>> associate(DatagramCounts& counts, Deadline deadline);

  /// For the log: "direct", or "via" and the hops.
  std::string text() const { return chain_ ? chain_->text() : "direct"; }

  /// What stays of the way while it is used; null where that is nothing.
  std::unique_ptr<Chain> release() { return std::move(chain_); }

 private:
  Task<Result<NameAddresses>> lookUpHere(Deadline deadline);
  Task<Result<Connection>> connectToResolved(Deadline deadline);
  ChainSetting chainSetting(Passenger passenger);
  DatagramSetting datagramSetting();
  Result<void> permitDatagrams(const Destination& destination) const;

  Services& services_;
  const Authorization& asked_;
  const Route* route_;
  std::unique_ptr<Chain> chain_;
};

}  // namespace crossgate
