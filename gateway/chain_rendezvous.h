// SPDX-License-Identifier: BSD-2-Clause
// ChainRendezvous: the Rendezvous at the last hop of a chain.  The hop listens there, and tells by its second
// reply who has come.
#pragma once

#include "gateway/hop_talk.h"
#include "gateway/rendezvous.h"

namespace crossgate {

class ChainRendezvous final : public Rendezvous {
 public:
  /// `talk` has had the first reply to a BIND over `stream`, which told `place`.
  ChainRendezvous(std::unique_ptr<Stream> stream, HopTalk talk, Destination place)
      : stream_(std::move(stream)), talk_(std::move(talk)), place_(std::move(place)) {}

  Destination place() const override { return place_; }
  Task<Result<Connection>> peer(Deadline deadline) override;

 private:
  std::unique_ptr<Stream> stream_;
  HopTalk talk_;
  Destination place_;
};

}  // namespace crossgate
