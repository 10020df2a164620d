// SPDX-License-Identifier: BSD-2-Clause
// Config: what the Socks Lib is told by its files and by the environment.
//
// Files are read in order, the later wins: $(sysconfdir)/socksify.conf, $XDG_CONFIG_HOME/socksify.conf
// (or ~/.config/socksify.conf), $SOCKSIFY_CONF.  Then SOCKS5_SERVER, SOCKS5_USER and SOCKS5_PASSWD of
// the environment.  A line is `key = value`; `#` starts a comment.  `direct` and `via` add to what
// came before.
//
// A file that is not there is no error, unless SOCKSIFY_CONF names it; one that makes no sense is:
// then the Socks Lib refuses every connection, and socksify does not start the program.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/address.h"
#include "lib/pattern.h"
#include "lib/result.h"
#include "lib/socks5.h"

namespace crossgate::socksify {

/// A range that fakes are taken from.
struct FakeRange {
  IpAddress network;
  unsigned bits = 8;

  bool contains(const IpAddress& address) const noexcept { return address.within(network, bits); }
};

/// What an AF_UNSPEC look-up is answered with.  `both` (IPv4 first) is the default, because programs that
/// want one family often ask for any and choose from the answer, as curl -6 does.
enum class LookupFamily : std::uint8_t { ipv4, ipv6, both };
/// `check` asks the Gateway whether a name exists (its RESOLVE) before a fake is handed out.
enum class Resolve : std::uint8_t { trust, check };
/// When listen() means BIND (RFC 1928, section 4): `auto`, when the program has a connection through
/// the Gateway and binds a socket to that connection's own address, as an active FTP client does.
enum class BindRule : std::uint8_t { automatic, always, never };

/// What exec does with a program that the Socks Lib can't be loaded into.
enum class Unprotected : std::uint8_t { refuse, run };

struct Config {
  std::string gatewayHost;  ///< empty: none was given
  std::uint16_t gatewayPort = 1080;
  bool tls = false;     ///< to the Gateway
  bool gssapi = false;  ///< how the Gateway is told who this is
  std::string ca;       ///< of TLS: files; empty: the system's CAs, and no certificate
  std::string certificate;
  std::string key;
  std::vector<std::string> via;  ///< routes of the private gateway, as they were written
  bool relayed = false;          ///< `gatewayHost` is the private gateway, which stands already
  std::optional<socks5::Credentials> credentials;
  std::vector<Pattern> direct;
  FakeRange fakeIpv4;
  FakeRange fakeIpv6;
  LookupFamily family = LookupFamily::both;
  Resolve resolve = Resolve::trust;
  BindRule bind = BindRule::automatic;
  Unprotected unprotected = Unprotected::refuse;
  bool udp = true;
  bool pipeline = false;
  std::chrono::seconds timeout{60};
  bool verbose = false;

  /// With every default of the option table in place.
  Config();

  /// Whether the way to the Gateway is more than the Socks Lib speaks; see private_gateway.h.
  bool needsPrivateGateway() const noexcept { return tls || gssapi || !via.empty(); }
  bool isDirect(const std::string* name, const IpAddress* address, std::uint16_t port) const;
  /// Whether `direct` names the port too, as it has to for a name server on the loopback.
  bool isDirectByPort(const Endpoint& endpoint) const;
};

/// One row per option: it feeds the parser, `socksify --options`, the manual page and the test.
struct ConfigOption {
  const char* name;
  const char* initial;  ///< "" where there is none
  const char* help;
  Result<void> (*set)(Config& config, std::string_view value);
};
std::span<const ConfigOption> configOptions() noexcept;

/// Reads the lines of one file; `place` names it in errors ("FILE:LINE: key: what is wrong").
Result<void> parseConfig(Config& config, std::string_view text, const std::string& place);

/// $XDG_CONFIG_HOME/socksify.conf or ~/.config/socksify.conf; "" without either variable.  The tree that
/// socksify starts keeps to one, told by the variable below, whatever becomes of HOME.
std::string personalConfig();
inline constexpr const char* personalConfigVariable = "SOCKSIFY_PERSONAL_CONF";

/// Everything together, from the files and the environment of this process.
Result<Config> loadConfig();

}  // namespace crossgate::socksify
