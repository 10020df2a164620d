// SPDX-License-Identifier: BSD-2-Clause
// SocksClient: the client's side of a SOCKS conversation as a state machine without I/O.  The Socks
// Lib drives it over the program's socket, the chain over the connection to a hop.
//
//     auto client = SocksClient::create(options, request);   // an Error: cannot be asked for at all
//     while (!client->done()) {
//       send client->output(), then client->sent(n);
//       receive at most client->wanted() octets, then client->received(octets);
//     }
//
// It asks for exactly the octets that belong to the conversation, so that what follows them stays
// in the socket for the program.  With `pipeline` only one method is offered, and greeting,
// credentials and request leave in one flight (RFC 1928 allows it: the server's answers are fixed
// in order), so that the conversation costs one round trip; the credentials then leave before the
// server has shown that it wants them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/octets.h"
#include "lib/socks5.h"

namespace crossgate {

class SocksClient {
 public:
  enum class Dialect : std::uint8_t { socks5, socks4, socks4a };

  struct Options {
    Dialect dialect = Dialect::socks5;
    /// SOCKS5: offers userpass, and only userpass when pipelining.  SOCKS4: the user id.
    std::optional<socks5::Credentials> credentials;
    bool pipeline = false;
    /// SOCKS5: how many gateways the request has passed, told to the server when it is not 0.
    unsigned passedGateways = 0;
    /// SOCKS5: the server has let us in already; the conversation begins with the request.
    bool authenticated = false;
  };

  /// An Error says what the dialect cannot carry: unsupportedCommand (SOCKS4 knows CONNECT and BIND),
  /// unsupportedAddress (SOCKS4 without A has no names and no IPv6), invalid (a name or a credential
  /// that is empty, too long, or holds a NUL where the protocol ends a text by one).  SOCKS4A carries
  /// an IPv6 address as a name.
  static Result<SocksClient> create(Options options, socks5::Request request);

  /// What is to be sent now; empty when it is the server's turn.
  OctetSpan output() const noexcept;
  void sent(std::size_t octets) noexcept;

  /// How many octets may be received now; 0 while there is output that must leave first, and when done.
  std::size_t wanted() const noexcept;
  /// Takes octets that arrived, never more than wanted().  An Error ends the conversation:
  /// malformed (the server's octets make no sense), denied (authentication failed, or no method in
  /// common).  A reply that tells a failure is no Error here: see reply().
  Result<void> received(OctetSpan octets);

  /// The server has closed its side before done(): what that means at this point of the conversation.
  Error closedEarly() const;

  /// SOCKS5: the method that the server has chosen, once it has.
  std::optional<socks5::Method> method() const noexcept { return method_; }
  /// The server has let us in: what it says from here on is its reply to the request.
  bool isAdmitted() const noexcept { return state_ == State::reply || state_ == State::done; }
  bool done() const noexcept { return state_ == State::done; }
  /// The server's reply, once done(); SOCKS4 replies are told in SOCKS5's terms.  The bound address of
  /// a success may be unspecified: the server's own address is meant.  That of a failure says nothing.
  const socks5::Reply& reply() const noexcept { return reply_; }

  /// BIND: after a first reply that succeeded, go on for the second one (RFC 1928, section 6).
  void expectSecondReply();

 private:
  enum class State : std::uint8_t { methodSelection, credentialsStatus, reply, done };

  SocksClient(Options options, socks5::Request request);
  void writeGreeting();
  void writeCredentials();
  void writeRequest();
  /// The octets of the message that is arriving, as far as they tell its size.
  std::size_t messageSize() const noexcept;
  Result<void> takeMessage();
  Result<void> takeMethod();
  Result<void> takeCredentialsStatus();
  Result<void> takeReply();
  Result<void> takeSocks4Reply();
  bool isSocks5() const noexcept { return options_.dialect == Dialect::socks5; }

  Options options_;
  socks5::Request request_;
  State state_ = State::methodSelection;
  Octets out_;
  std::size_t outSent_ = 0;
  std::optional<socks5::Method> method_;
  Octets in_;  // the message that is arriving
  socks5::Reply reply_;
};

}  // namespace crossgate
