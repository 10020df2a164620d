// SPDX-License-Identifier: BSD-2-Clause
// PrivateGateway: a crossgate of the user's own, for one socksified tree, where the way to the Gateway is more
// than the Socks Lib speaks: TLS, GSSAPI, several hops.  The Socks Lib speaks plain SOCKS to it, over
// loopback, and it relays by its [route] to the real one.
//
// Nobody else can use it: its listener says `owner`, so that it serves only sockets of this user.  What it
// has to know, passwords included, reaches it by a file in memory that has no name, never by a command line.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "lib/fd.h"
#include "lib/result.h"
#include "socksify/config.h"

namespace crossgate::socksify {

/// Its configuration, in the syntax of crossgate.conf.
std::string privateConfig(const Config& config, uid_t owner);

class PrivateGateway {
 public:
  /// Starts `program` as a child that ends with this process, and waits until it listens.  The Error says in
  /// the program's own words why it does not.
  static Result<PrivateGateway> start(const std::string& program, const std::string& config);
  PrivateGateway(PrivateGateway&& other) noexcept;
  PrivateGateway& operator=(PrivateGateway&&) = delete;
  ~PrivateGateway();  // ends it

  std::uint16_t port() const noexcept { return port_; }
  /// Where its log can be read; -1 once it has gone.
  int log() const noexcept { return log_.get(); }
  /// Gives what can be read now to `line`, a line at a time.
  void readLog(const std::function<void(std::string_view line)>& line);

 private:
  PrivateGateway(pid_t pid, Fd log) : pid_(pid), log_(std::move(log)) {}
  Result<void> awaitListening();

  pid_t pid_;
  Fd log_;
  std::string unfinished_;
  std::uint16_t port_ = 0;
};

/// Tells the Socks Lib of this process and its children, by the environment, where it listens.
void announcePrivateGateway(std::uint16_t port);

/// The reason that a line of its log tells of something that has failed; empty where it tells of none.
std::string reasonIn(std::string_view line);

}  // namespace crossgate::socksify
