// SPDX-License-Identifier: BSD-2-Clause
// The stage of BIND (RFC 1928, section 4): listens on an address that the expected peer can reach, in the
// peer's own family, and lets that peer in and no other.
//
// It owns the listening socket until the Rendezvous is destroyed.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "gateway/local_socket.h"
#include "gateway/name_lookup.h"
#include "gateway/rendezvous.h"

namespace crossgate {

struct BindOptions {
  PortRange ports;
  AddressPair advertise;           ///< what replies show where the Gateway is behind NAT
  std::chrono::seconds timeout{};  ///< for the peer to come
};

/// What a BIND depends on beside its request.
struct BindSetting {
  Resolver& resolver;
  const BindOptions& options;
  Preference prefer;
  AddressPair source;    ///< the addresses that destinations know the Gateway by, where configured
  IpAddress clientSide;  ///< where the client has reached us: a last resort when any peer may come
  Admit admit;           ///< the rules' word on a peer
  std::function<void(const Endpoint&)> onStranger;  ///< told of each peer that was turned away
};

/// Listens for `expected`: one of its addresses, or with an address of all zeros any peer of that family that
/// the rules admit.  Fails as lookUp() does; networkUnreachable when no address of ours leads to the peer,
/// exhausted when no port is free.  `setting` is taken over.
Task<Result<std::unique_ptr<Rendezvous>>> listenFor(BindSetting setting, Destination expected,
                                                    Deadline deadline);

}  // namespace crossgate
