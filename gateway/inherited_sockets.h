// SPDX-License-Identifier: BSD-2-Clause
// InheritedSockets: listening sockets that this process was started with, in the manner of systemd's
// socket activation (sd_listen_fds(3)): LISTEN_FDS of them from descriptor 3, for the process LISTEN_PID.
// An upgrade hands them over in the same way (upgrade_link.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/address.h"
#include "lib/fd.h"

namespace crossgate {

class InheritedSockets {
 public:
  InheritedSockets() noexcept = default;
  /// Takes them, once, and the variables out of the environment.  To be called before anything is forked.
  static InheritedSockets fromEnvironment();

  /// The one that listens there; none: an Fd that holds nothing.
  Fd take(const Endpoint& endpoint);
  std::vector<int> descriptors() const;
  bool empty() const noexcept { return sockets_.empty(); }
  /// What is left, in words: where it listens, or what it is instead of a listening TCP socket.
  std::vector<std::string> describe() const;

 private:
  struct Socket {
    Fd fd;
    std::optional<Endpoint> endpoint;  // none: it does not listen, or not for TCP
  };
  std::vector<Socket> sockets_;
};

}  // namespace crossgate
