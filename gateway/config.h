// SPDX-License-Identifier: BSD-2-Clause
// The configuration: what crossgate.conf and the command line say, checked.
//
// One table (option_table) has a row per option: its name, default, bounds, member and help.  The table
// feeds Boost.Program_options, --help, --dump-config, the manual page and the tests.  What is here reads the file
// by it, and checks what spans several options.  Every error names the file, the line and the key.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gateway/access.h"
#include "gateway/auth_methods.h"
#include "gateway/associate.h"
#include "gateway/bind.h"
#include "gateway/dial.h"
#include "gateway/direct_datagrams.h"
#include "gateway/gss_level.h"
#include "gateway/log.h"
#include "gateway/option_table.h"
#include "gateway/relay.h"
#include "gateway/route.h"
#include "gateway/system_user.h"
#include "gateway/tls_config.h"
#include "lib/address.h"
#include "lib/pattern.h"

namespace crossgate {

struct ListenerConfig {
  Endpoint endpoint;   ///< of a listener on an interface only the port
  bool tls = false;    ///< the client begins with a TLS handshake
  bool socks4 = true;  ///< and 4A
  bool socks5 = true;
  std::optional<Pattern> proxyFrom{};  ///< who sends a PROXY header first (proxy_header.h)
  std::optional<unsigned> owner{};     ///< on loopback: the only user who is served (socket_owner.h)
  std::string interface{};  ///< whose addresses it follows; empty: it has one of its own
};

struct WorkersConfig {
  unsigned start = 0;
  unsigned spareMin = 0;
  unsigned spareMax = 0;
  unsigned max = 0;
  unsigned relays = 0;    ///< relays one worker serves when all workers are busy
  unsigned lifetime = 0;  ///< relays after which a worker is replaced; 0: never
  std::chrono::seconds drain{};
  bool sandbox = true;  ///< workers may make only the system calls that they need

  /// How many a process may need at once.
  std::size_t descriptors() const noexcept;
};

struct LimitsConfig {
  unsigned perSource = 0;  ///< relays of one source address (IPv6: of one /64); 0: no limit
};

struct AuthConfig {
  std::vector<MethodRule> methods;
  std::string passwordFile;         ///< empty: none
  std::string pam;                  ///< the PAM service; empty: none
  unsigned checkers = 0;            ///< processes that hash passwords and call PAM
  std::chrono::seconds remember{};  ///< how long a success needs no second check; 0: not at all
  unsigned failures = 0;            ///< failed logins after which a source is refused; 0: never
  std::chrono::seconds refuse{};    ///< for how long

  /// True when some client is offered this method.
  bool offers(socks5::Method method) const noexcept;
};

struct TimeoutsConfig {
  std::chrono::seconds negotiate{};
  std::chrono::seconds connect{};
  RelayTimeouts relay{};
};

struct Secrets;

struct Config {
  std::string user;
  std::optional<SystemUser> systemUser{};  ///< whom `user` names, once somebody is to become it
  std::string pidFile;  ///< empty: none
  std::vector<ListenerConfig> listeners;
  TlsConfig tls;
  WorkersConfig workers;
  LimitsConfig limits;
  AuthConfig auth;
  GssConfig gss;
  std::vector<AccessRule> rules;                        ///< moved into `access` once complete
  std::map<std::string, std::set<std::string>> groups;  ///< of [access], by name
  AccessRules access;
  RouteTable routes;
  RouteOptions route;
  std::vector<std::string> nameservers;
  DialOptions dial;
  BindOptions bind;
  AssociateOptions associate;
  DatagramPeers datagramPeers = DatagramPeers::contacted;
  TimeoutsConfig timeouts;
  LogConfig log;
  std::shared_ptr<const Secrets> secrets;  ///< what the files it names hold; see secrets.h
};

/// Every option with the values in force, in the order of the table.
using EffectiveValues = std::map<std::string, std::vector<Given>>;

struct LoadedConfig {
  Config config;
  EffectiveValues values;
};

/// `--section.key=value` arguments, already taken off the command line.
using Overrides = std::vector<std::pair<std::string, std::string>>;

/// Reads `file` (empty: defaults only) and applies `overrides`, which win.  The Error's detail holds a
/// line per mistake, each with file, line and key.
Result<LoadedConfig> loadConfig(const std::string& file, const Overrides& overrides);

/// Writes the values in force in the syntax of the file.
void dumpConfig(std::ostream& out, const EffectiveValues& values);

}  // namespace crossgate
