// SPDX-License-Identifier: BSD-2-Clause
// The two sides of an association (RFC 1928, section 7), which hand each other datagrams as the RFC frames
// them: header with FRAG 0, then payload.  direct_datagrams.h is the destination side on this host; a chain
// has the one at its last hop, whose datagrams have the same frame.
//
// Nothing here waits: a datagram that can't be passed on is dropped and counted.
#pragma once

#include <span>

#include "lib/octets.h"

namespace crossgate {

/// Takes what comes back for the client; the header names the sender.
class ClientSide {
 public:
  virtual void deliver(std::span<const OctetSpan> framed) = 0;
  /// The destination side can't go on: a hop has ended its association.
  virtual void lost() = 0;

 protected:
  ~ClientSide() = default;
};

class DestinationSide {
 public:
  DestinationSide() = default;
  DestinationSide(const DestinationSide&) = delete;
  DestinationSide& operator=(const DestinationSide&) = delete;
  virtual ~DestinationSide() = default;

  /// Begins to deliver to `client`, which outlives this object.
  virtual void start(ClientSide& client) = 0;
  /// Sends to the destinations that the headers name; the datagrams are used no longer than the call.
  virtual void send(std::span<const OctetSpan> framed) = 0;
};

/// The size of the header in front of a framed datagram; 0 when it is cut short, its reserved octets are not
/// zero, or its address type is unknown.  Looks at nothing else, because headers of known destinations need
/// no decoding.
std::size_t frameHeaderSize(OctetSpan framed) noexcept;

}  // namespace crossgate
