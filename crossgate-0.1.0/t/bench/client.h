// SPDX-License-Identifier: BSD-2-Clause
// The SOCKS client of the load program: opens relays through the server that is measured, or
// directly, in the clear or under TLS.
#pragma once

#include <memory>
#include <optional>

#include "lib/socks5.h"
#include "t/bench/stream.h"

namespace crossgate::bench {

/// The way to the destination.
struct Route {
  std::optional<Endpoint> gateway;  ///< none: a direct connection
  std::optional<socks5::Credentials> credentials;
  bool tls = false;
  bool resume = false;  ///< resume TLS sessions

  bool direct() const noexcept { return !gateway; }
};

/// An open relay, or why there is none: an errno, or ECONNREFUSED with the server's reply.
struct Opened {
  std::unique_ptr<Stream> stream;
  int error = 0;
  socks5::ReplyCode code = socks5::ReplyCode::succeeded;
  Destination bound;
};

class Client {
 public:
  Client(Loop& loop, Route route);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The whole conversation until the reply.  Without a gateway a name means the loopback address of
  /// the family that `directFamily` says.
  Task<Opened> open(socks5::Command command, Destination destination, TimePoint deadline);

  const Route& route() const noexcept { return route_; }
  Loop& loop() const noexcept { return loop_; }
  std::uint64_t handshakes() const noexcept { return handshakes_; }
  std::uint64_t resumed() const noexcept { return resumed_; }

 private:
  static int keepSession(SSL* ssl, SSL_SESSION* session);
  Task<int> converse(Stream& stream, const socks5::Request& request, Opened& opened);
  Task<int> authenticate(Stream& stream);

  Loop& loop_;
  Route route_;
  std::unique_ptr<SSL_CTX, SslFree> tls_;
  std::unique_ptr<SSL_SESSION, SslFree> session_;
  std::uint64_t handshakes_ = 0;
  std::uint64_t resumed_ = 0;
};

}  // namespace crossgate::bench
