// SPDX-License-Identifier: BSD-2-Clause
// Listener: a socket on which clients arrive.
#pragma once

#include <functional>
#include <memory>

#include "gateway/event_loop.h"
#include "lib/address.h"
#include "lib/fd.h"
#include "lib/result.h"

namespace crossgate {

class Listener {
 public:
  /// Binds and listens.  An IPv6 listener takes IPv6 only, so that both families may be listed for one
  /// port.  The Error names the address and what the kernel said.
  static Result<std::unique_ptr<Listener>> open(const Endpoint& endpoint);

  /// A socket that listens there already.
  static std::unique_ptr<Listener> adopt(const Endpoint& endpoint, Fd fd);

  /// Makes room for another on the same port; the clients in the backlog are lost.  resume() takes the
  /// place back, if nobody else has it.
  void suspend() noexcept;
  void resume() noexcept;

  const Endpoint& endpoint() const noexcept { return endpoint_; }
  int fd() const noexcept { return fd_.get(); }

  /// Calls `onClients` when clients wait; stop() and watch() may alternate.
  void watch(EventLoop& loop, std::function<void(Listener&)> onClients);
  void stop() noexcept { event_.reset(); }

 private:
  Listener(const Endpoint& endpoint, Fd fd) : endpoint_(endpoint), fd_(std::move(fd)) {}

  Endpoint endpoint_;
  Fd fd_;
  std::function<void(Listener&)> onClients_;
  std::unique_ptr<Event> event_;
};

/// One accepted connection, or why there is none.
struct Accepted {
  Fd fd;
  Endpoint peer;
  int error = 0;  ///< EAGAIN: nobody waits; EMFILE, ENFILE, ENOBUFS, ENOMEM: not now
};
Accepted acceptClient(int listener);
/// Whether another waits; to ask costs less than to accept nobody.
bool clientWaits(int listener) noexcept;

}  // namespace crossgate
