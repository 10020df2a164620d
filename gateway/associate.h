// SPDX-License-Identifier: BSD-2-Clause
// The stage of UDP ASSOCIATE (RFC 1928, section 7), the client's side of it: a socket to which the client,
// and nobody else, sends its datagrams, and by which it gets the answers.
//
// The association owns that socket and the reassembly queue; both go with the TCP connection that asked
// for them.  Where the datagrams go is the DestinationSide's business.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "gateway/datagram_batch.h"
#include "gateway/datagram_counts.h"
#include "gateway/destination_side.h"
#include "gateway/local_socket.h"
#include "gateway/reassembly.h"
#include "gateway/stream.h"
#include "lib/address.h"
#include "lib/result.h"

namespace crossgate {

enum class Fragments : std::uint8_t { reassemble, drop };

struct AssociateOptions {
  PortRange ports;
  AddressPair advertise;  ///< what replies show where clients reach the Gateway through NAT
  Fragments fragments = Fragments::reassemble;
  std::chrono::seconds idle{};
};

enum class AssociationEnd : std::uint8_t { finished, idle, lost };
const char* toString(AssociationEnd end) noexcept;

class Association final : public ClientSide {
 public:
  /// Opens the socket at `local`, where the client's TCP connection has reached us.  `client` is the other
  /// end of that connection; its datagrams come from that address, and from the port that `announced` tells
  /// if that is the same address, else from the port of the first one.  An announced address that is another
  /// host's is a destination that the client has put in the wrong place, and says nothing.  With an `owner`
  /// the sender's socket has to be that user's.
  static Result<std::unique_ptr<Association>> open(EventLoop& loop, const AssociateOptions& options,
                                                   const IpAddress& local, const IpAddress& client,
                                                   const Destination& announced, std::optional<uid_t> owner,
                                                   DatagramCounts& counts);

  /// Where the client is to send to: BND of the reply.
  Destination place() const;

  /// Serves until the TCP connection ends, or nothing has moved for too long.  Where `connection` protects
  /// datagrams too, only protected ones are taken and sent.
  Task<AssociationEnd> serve(Stream& connection, DestinationSide& destination);

  void deliver(std::span<const OctetSpan> framed) override;
  void lost() override;

 private:
  Association(EventLoop& loop, Fd fd, const AssociateOptions& options, const Endpoint& local,
              const Endpoint& client, std::optional<uid_t> owner, DatagramCounts& counts);

  void takeIn(DestinationSide& destination, std::size_t count);
  bool isClients(const Endpoint& sender);
  void takeFragment(DestinationSide& destination, OctetSpan datagram);

  const AssociateOptions& options_;
  DatagramCipher* cipher_ = nullptr;  // the connection's, while it is served
  Socket socket_;
  Signal ended_;        // the connection, or the destination side
  bool isLost_ = false;  // the latter
  Endpoint local_;
  Endpoint client_;             // port 0: not known yet
  std::optional<uid_t> owner_;  // as long as the first datagram has not come
  DatagramCounts& counts_;
  Reassembly reassembly_;
  std::uint64_t fragmentsDropped_ = 0;  // of what reassembly_ has dropped, what was counted
  Deadline lastActivity_;
};

}  // namespace crossgate
