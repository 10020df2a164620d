// SPDX-License-Identifier: BSD-2-Clause
// The routes of [route]: which requests go through further gateways, and which way.  First match decides;
// where nothing matches the destination is dialled from here.
//
// A route is matched against what was asked for: a name is not resolved to find its route.  Where one is
// delegated, the last hop resolves it, unless the route says `resolve here`.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/access.h"
#include "gateway/gss_level.h"
#include "gateway/tls_config.h"
#include "lib/address.h"
#include "lib/pattern.h"
#include "lib/result.h"
#include "lib/socks5.h"

namespace crossgate {

enum class HopProtocol : std::uint8_t { socks5, socks4, socks4a, http };

/// A further gateway.
struct Hop {
  /// `SCHEME[+tls][+gssapi]://[USER:PASSWORD@|@FILE@]HOST:PORT`; the Error never holds the password.
  static Result<Hop> parse(std::string_view text);

  HopProtocol protocol = HopProtocol::socks5;
  bool tls = false;
  bool gssapi = false;
  Destination address;
  std::optional<socks5::Credentials> credentials;
  std::string secretFile;  ///< holds the credentials; see secrets.h
  std::string text;        ///< for the log: without user and password
  unsigned entry = 0;      ///< its place on the HopBoard
};

/// Hops that are tunnelled one through the other, the nearest first.
struct HopPath {
  std::vector<Hop> hops;
  std::string text() const;
};

enum class Balance : std::uint8_t {
  order,  ///< the first that is up
  least,  ///< the one with the fewest relays
  hash,   ///< by the destination, so that one destination keeps its hop
};

/// Whether the client's own user name and password are passed on to the last hop.
enum class PassLogin : std::uint8_t { no, yes, inTheClear };

struct Route {
  /// `direct|HOP [HOP ...] [| HOP ...] [to PATTERN] [from PATTERN] [command LIST] [user LIST] [resolve here]
  /// [login pass|pass-clear] [balance order|least|hash] [pipeline yes|no]`
  static Result<Route> parse(std::string_view text);

  bool isDirect() const noexcept { return paths.empty(); }
  /// True when everything but the destination fits.
  bool concerns(const Subject& subject, Command command) const;
  bool concernsEveryDestination() const;

  std::vector<HopPath> paths;  ///< the alternatives
  Pattern to;
  Pattern from;
  std::vector<Command> commands;   // empty: all
  std::vector<std::string> users;  // empty: anybody
  bool resolveHere = false;
  PassLogin login = PassLogin::no;
  Balance balance = Balance::order;
  bool pipeline = true;  ///< SOCKS5: greeting, authentication and request in one flight
  std::string place;     ///< "file:line"
};

/// What holds for all routes.
struct RouteOptions {
  std::chrono::seconds timeout{};  ///< for a hop to be connected to, and to say anything
  std::chrono::seconds down{};     ///< how long one that failed is avoided
  unsigned mostGateways = 0;       ///< that a request may pass
  bool udp = false;                ///< UDP ASSOCIATE at hops by TLS, which does not protect datagrams
  GssLevel gssLevel = GssLevel::confidentiality;  ///< what hops by GSSAPI protect by at least
  TlsClientConfig tls;
};

class RouteTable {
 public:
  /// Gives every hop its place on the HopBoard: the same one for hops that are reached the same way.
  void add(Route route);
  const std::vector<Route>& routes() const noexcept { return routes_; }
  std::size_t hopCount() const noexcept { return entries_.size(); }
  /// The route that decides; null, or one that isDirect(), where the destination is dialled from here.
  const Route* find(const Subject& subject, Command command, const Destination& destination) const;
  /// The first one that does not depend on the destination, for an association; null where there is none.
  const Route* findForAll(const Subject& subject, Command command) const;
  bool passesLogins() const;
  bool usesGssapi() const;
  std::vector<Hop> hops() const;  ///< of all routes

 private:
  std::vector<Route> routes_;
  std::map<std::string, unsigned> entries_;
};

/// A text of the configuration with every `USER:PASSWORD@` of a hop masked.
std::string maskSecrets(std::string_view text);

}  // namespace crossgate
