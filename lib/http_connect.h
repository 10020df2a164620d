// SPDX-License-Identifier: BSD-2-Clause
// HttpConnect: the client's side of an HTTP/1.1 CONNECT (RFC 9110, section 9.3.6) as a state machine without I/O,
// driven as SocksClient is.
//
// Nothing but the empty line tells where the head of a response ends, and behind it is the tunnel.  So it asks for
// as many octets as the end of the head is away at least: it never takes one of the tunnel's.
#pragma once

#include <cstdint>
#include <optional>

#include "lib/octets.h"
#include "lib/socks5.h"

namespace crossgate {

class HttpConnect {
 public:
  /// All heads of one conversation together, status lines included.
  static constexpr std::size_t maxHeadOctets = 16384;

  /// Credentials leave as `Proxy-Authorization: Basic` (RFC 7617), unasked.  An Error says what HTTP cannot carry:
  /// unsupportedCommand (anything but CONNECT), invalid (a name with octets that no authority has, or a user name
  /// with a colon).
  static Result<HttpConnect> create(const std::optional<socks5::Credentials>& credentials,
                                    const socks5::Request& request);

  OctetSpan output() const noexcept { return OctetSpan(out_).subspan(outSent_); }
  void sent(std::size_t octets) noexcept;

  /// How many octets may be received now; 0 while there is output that must leave first, and when done.
  std::size_t wanted() const noexcept;
  /// Takes octets that arrived, never more than wanted().  An Error ends the conversation: malformed, or denied (407, 401).
  Result<void> received(OctetSpan octets);
  /// The proxy has closed its side before done().
  Error closedEarly() const;

  bool done() const noexcept { return done_; }
  /// The response in SOCKS5's terms, once done().  HTTP tells no bound address: it is unspecified.
  const socks5::Reply& reply() const noexcept { return reply_; }

 private:
  explicit HttpConnect(Octets request) : out_(std::move(request)) {}
  Result<void> takeHead();

  Octets out_;
  std::size_t outSent_ = 0;
  Octets in_;               // the head that is arriving
  std::size_t earlier_ = 0;  // octets of the heads before it
  socks5::Reply reply_;
  bool done_ = false;
};

}  // namespace crossgate
