// SPDX-License-Identifier: BSD-2-Clause
// ChainDatagrams: the destination side of an association whose datagrams go through hops (RFC 1928, section 7).
//
// Each hop holds an association of its own, for which its TCP connection is kept open here.  A datagram for the
// second hop's association is sent through the first one's, so that it carries one header more for each hop but
// the first; what comes back loses as many.  A hop by GSSAPI gets and sends what it sees of them sealed (RFC 1961,
// section 6).  When a hop ends its connection the association ends.
//
// Anybody can send to a hop's association, and the hop may frame what comes.  So of what comes back each hop's part
// is to be from the place that it has told (where it told zeros: its own address), as we see the sender of the first
// one's, and the hop before it that of the others'.  A hop behind NAT has to tell the address that it is seen to send
// from, which is also the one to send to.  Of a place that is a name only the hop before knows the address: there it
// is the port that counts.  Who may send to the last hop's association is that hop's business.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "gateway/datagram_batch.h"
#include "gateway/datagram_counts.h"
#include "gateway/destination_side.h"
#include "gateway/local_socket.h"
#include "gateway/stream.h"
#include "lib/result.h"

namespace crossgate {

class ChainDatagrams final : public DestinationSide {
 public:
  /// An association at one hop.
  struct Held {
    std::unique_ptr<Stream> stream;
    Destination place;                 ///< where it takes datagrams
    DatagramCipher* cipher = nullptr;  ///< the stream's, where this hop seals them
  };
  /// The rules' word on a destination as it was named.
  using Permit = std::function<Result<void>(const Destination&)>;

  /// `held`: the nearest first.  An Error: no socket to be had, or the first hop takes datagrams at no address.
  static Result<std::unique_ptr<ChainDatagrams>> open(EventLoop& loop, std::vector<Held> held,
                                                      const AddressPair& source, Permit permit,
                                                      DatagramCounts& counts);

  void start(ClientSide& client) override;
  void send(std::span<const OctetSpan> framed) override;

 private:
  ChainDatagrams(EventLoop& loop, Fd fd, const Endpoint& first, std::vector<Held> held, Permit permit,
                 DatagramCounts& counts);
  bool permitted(OctetSpan framed, std::size_t headerSize);
  bool judge(OctetSpan framed);
  void flush();
  void deliver(std::size_t count);
  Result<Octets> nested(OctetSpan framed) const;
  std::optional<Drop> unnest(OctetSpan& datagram, Octets& opened) const;

  std::vector<Held> held_;
  Permit permit_;
  DatagramCounts& counts_;
  Endpoint first_;
  std::vector<Octets> headers_;  // what names each hop's place to the one before it; none for the first
  Socket socket_;
  ClientSide* client_ = nullptr;
  std::unordered_map<std::string, bool> verdicts_;  // by the octets that name a destination
  std::list<Task<void>> tasks_;                     // die before what they wait on
};

}  // namespace crossgate
