// SPDX-License-Identifier: BSD-2-Clause
// DirectDatagrams: the destination side of an association on this host.  Resolves names, asks the rules once
// for each destination, and sends from one IPv4 and one IPv6 socket, each opened when it is first needed.
//
// What was learnt of a destination is kept for the association (a name: as long as its record lives), so that
// a datagram costs a look-up in a table and no rule.  All of it is bounded.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "gateway/datagram_batch.h"
#include "gateway/datagram_counts.h"
#include "gateway/destination_side.h"
#include "gateway/local_socket.h"
#include "gateway/name_lookup.h"

namespace crossgate {

/// Who may answer the client of an association.
enum class DatagramPeers : std::uint8_t {
  contacted,  ///< the hosts that the client has sent to, from any port
  any,        ///< everyone at an address and port that the rules permit as a destination
};

struct DatagramSetting {
  Resolver& resolver;
  Preference prefer;
  AddressPair source;  ///< the addresses to send from, where configured
  DatagramPeers peers;
  /// The rules' word on a destination as it was named, and on an address that it has (Admit).
  std::function<Result<void>(const Destination&)> permit;
  std::function<Result<void>(const Destination&, const IpAddress&, const std::string& foundAs)> admit;
  // Smaller in tests.
  std::size_t mostRemembered = 4096;                          ///< of destinations, and of who may answer
  Clock::duration shortestLife = std::chrono::seconds(10);  ///< of an address that was found for a name
};

class DirectDatagrams final : public DestinationSide {
 public:
  /// `counts` outlives this object.
  DirectDatagrams(DatagramSetting setting, DatagramCounts& counts);
  void start(ClientSide& client) override { client_ = &client; }
  void send(std::span<const OctetSpan> framed) override;

 private:
  // What is known of one destination, under the octets that name it in a header.
  struct Route {
    enum class State : std::uint8_t { resolving, open, closed } state = State::resolving;
    Drop why = Drop::denied;    // closed
    Endpoint to;                // open
    Deadline until = never;     // then it is learnt anew
    std::list<Octets> waiting;  // resolving: framed datagrams
  };
  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const noexcept { return std::hash<std::string_view>()(key); }
  };
  struct AddressHash {
    std::size_t operator()(const IpAddress& address) const noexcept;
  };
  struct EndpointHash {
    std::size_t operator()(const Endpoint& endpoint) const noexcept {
      return AddressHash()(endpoint.address) ^ endpoint.port;
    }
  };
  struct Search {  // for a name
    Task<void> task;
    DirectDatagrams* owner;
    std::list<Search>::iterator place;
  };
  struct Side {  // one family
    std::unique_ptr<Socket> socket;
    Task<void> task;  // dies before the socket it waits on
  };

  Route& routeOf(std::string_view key, OctetSpan framed);
  void learn(Route& route, std::string_view key, OctetSpan framed);
  Task<void> search(std::string key, Destination destination);
  void keepWaiting(Route& route, OctetSpan framed);
  void open(Route& route, const IpAddress& address, std::uint16_t port);
  void refuse(Route& route, Drop why, const Error& error);
  void makeRoom();
  void queue(const Route& route, OctetSpan payload);
  void flush(Family family);

  Side& sideOf(Family family) { return sides_[static_cast<std::size_t>(family)]; }
  bool ready(Family family);
  void deliver(std::size_t count);
  bool invited(const Endpoint& sender);

  DatagramSetting setting_;
  DatagramCounts& counts_;
  ClientSide* client_ = nullptr;
  std::unordered_map<std::string, Route, KeyHash, std::equal_to<>> routes_;
  std::unordered_set<IpAddress, AddressHash> contacted_;  // without zones, which no client can tell
  // DatagramPeers::any: the rules' word on those who were not sent to, which is about a port, too.
  std::unordered_map<Endpoint, bool, EndpointHash> strangers_;
  std::size_t octetsWaiting_ = 0;
  std::list<Search> searches_;
  std::array<Side, 2> sides_;
};

}  // namespace crossgate
