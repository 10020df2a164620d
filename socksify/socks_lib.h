// SPDX-License-Identifier: BSD-2-Clause
// SocksLib: what one process of a socksified tree knows: its config, the mapping table, where the
// Gateway is.  Made at the first interposed call that needs it, and never destroyed: other libraries'
// destructors still use sockets.
//
// With a config that makes no sense, or none at all, it is there too, and refuses: see trouble().
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "lib/address.h"
#include "lib/result.h"
#include "lib/socks5.h"
#include "lib/socks_client.h"
#include "socksify/config.h"
#include "socksify/mapping_table.h"
#include "socksify/socket_table.h"

namespace crossgate::socksify {

/// Where a connection or datagram has to go.
struct Route {
  enum class Kind : std::uint8_t {
    direct,   ///< as the program asked, to `address`
    gateway,  ///< to `destination`, through the Gateway
    refused,  ///< nowhere: `error` is the errno
  } kind = Kind::direct;
  Endpoint address{};
  Destination destination{};
  int error = 0;
};

class SocksLib {
 public:
  static SocksLib& get() noexcept;
  /// Before a fork: another thread may be making it just now, and the child would wait for that for ever.
  static void awaitBeginning() noexcept;

  const Config& config() const noexcept { return config_; }
  MappingTable& names() noexcept { return *names_; }
  SocketTable& sockets() noexcept { return *sockets_; }

  /// Why nothing can be carried (a broken config, no gateway, no memory); empty when all is well.
  const std::string& trouble() const noexcept { return trouble_; }

  /// Where a connection to `peer` goes, `stream` or not.
  Route routeTo(const Endpoint& peer, bool stream);
  /// A name that this host answers itself: its own and localhost, where its hosts file has them, or one
  /// of a `direct` pattern.
  bool isLocalName(const std::string& name, std::uint16_t port) const;
  /// An address that the C library has told the program for a name: one of a `direct` pattern is reached by it.
  void noteOwnAnswer(const std::string& canonicalName, const IpAddress& address);

  /// The Gateway's addresses, looked up once.  Failure: its name has no address.
  Result<std::vector<Endpoint>> gatewayAddresses();
  /// True when an endpoint is one of the Gateway's, as far as they are known.
  bool isGateway(const Endpoint& endpoint);

  SocksClient::Options clientOptions() const;

 private:
  struct OwnAnswer {
    std::string name;
    IpAddress address;
    const OwnAnswer* next;
  };

  SocksLib();
  bool isOfDirectName(const Endpoint& endpoint) const;

  Config config_;
  std::string trouble_;
  std::string hostName_;
  std::optional<MappingTable> names_;
  std::optional<SocketTable> sockets_;
  // Kept for good once known.  No lock: a fork needs no care.
  std::atomic<const std::vector<Endpoint>*> gateway_{nullptr};
  std::atomic<const OwnAnswer*> ownAnswers_{nullptr};
};

/// localhost and what is below it: a name that never leaves the host (RFC 6761, section 6.3).
bool isLocalhost(const std::string& canonicalName) noexcept;

/// A line on stderr, when `verbose` is set.
[[gnu::format(printf, 1, 2)]] void tell(const char* format, ...) noexcept;
/// The same whatever `verbose` says, once per process: for what the user must know.
[[gnu::format(printf, 1, 2)]] void warnOnce(const char* format, ...) noexcept;

/// The errno that tells a program why the Gateway could not connect it.
int errnoOf(Failure failure) noexcept;

/// Restores errno at the end of a scope, so that a hook that succeeds leaves it as it was.
class KeepErrno {
 public:
  KeepErrno() noexcept : saved_(errno) {}
  ~KeepErrno() { errno = saved_; }
  KeepErrno(const KeepErrno&) = delete;
  KeepErrno& operator=(const KeepErrno&) = delete;

 private:
  int saved_;
};

}  // namespace crossgate::socksify
