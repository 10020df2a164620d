// SPDX-License-Identifier: BSD-2-Clause
// GatewayLink: one connection to the Gateway and the SOCKS conversation on it, in steps that never
// wait.  Who owns it polls fd() for events() and calls advance(), until the deadline.
//
// The descriptor is hidden in the program's own table, and a program may close what it does not know
// (closefrom) and open something else under the number.  So a HiddenSocket keeps its cookie and does
// nothing to a descriptor that is another's by now.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "lib/address.h"
#include "lib/socks_client.h"

namespace crossgate::socksify {

using Clock = std::chrono::steady_clock;

/// A socket of ours in the program's table of descriptors; closed at the end if it still is ours.
class HiddenSocket {
 public:
  HiddenSocket() noexcept = default;
  /// Takes the descriptor over and moves it away from the low numbers that programs expect.
  explicit HiddenSocket(int fd) noexcept;
  HiddenSocket(HiddenSocket&& other) noexcept;
  HiddenSocket& operator=(HiddenSocket&& other) noexcept;
  ~HiddenSocket() { reset(); }

  int get() const noexcept { return fd_; }
  std::uint64_t cookie() const noexcept { return cookie_; }
  bool isOurs() const noexcept;
  int release() noexcept;
  void reset() noexcept;

 private:
  int fd_ = -1;
  std::uint64_t cookie_ = 0;
};

class GatewayLink {
 public:
  enum class Progress : std::uint8_t { pending, done };

  /// On a socket of its own; every address of the Gateway is tried in turn.  With `family` ipv6 all of
  /// them on IPv6 sockets, so that one may take the place of a program's IPv6 socket.
  GatewayLink(SocksClient::Options options, socks5::Request request, const std::vector<Endpoint>& gateway,
              Family family) noexcept;
  /// On the program's socket, whose family's addresses alone are tried.
  GatewayLink(SocksClient::Options options, socks5::Request request, const std::vector<Endpoint>& gateway,
              Family family, int programSocket) noexcept;

  /// Goes as far as it can without waiting.  An Error ends it.
  Result<Progress> advance();

  int fd() const noexcept { return borrowed_ >= 0 ? borrowed_ : own_.get(); }
  short events() const noexcept;
  /// The server's reply, after `done`.
  const socks5::Reply& reply() const noexcept { return client_->reply(); }
  /// See SocksClient.
  std::optional<socks5::Method> method() const noexcept { return client_ ? client_->method() : std::nullopt; }
  bool isAdmitted() const noexcept { return client_ && client_->isAdmitted(); }
  /// The Gateway has been connected to, so that octets of the conversation may be on their way.
  bool connected() const noexcept { return state_ == State::talking; }
  HiddenSocket takeSocket() noexcept { return std::move(own_); }
  /// From now on the link works on a duplicate of the program's socket, which it owns.
  bool keepOwnDuplicate() noexcept;

  /// BIND: go on for the second reply.
  void expectSecondReply() { client_->expectSecondReply(); }

 private:
  enum class State : std::uint8_t { idle, connecting, talking };

  Result<Progress> tryNextAddress();
  Result<Progress> finishConnecting();
  Result<Progress> talk();
  Result<bool> sendSome();
  Result<bool> receiveSome();
  int connectTo(const Endpoint& endpoint) noexcept;

  Result<SocksClient> client_;
  std::vector<Endpoint> gateway_;
  std::size_t next_ = 0;
  int lastError_ = 0;
  int borrowed_ = -1;
  HiddenSocket own_;
  State state_ = State::idle;
};

}  // namespace crossgate::socksify
