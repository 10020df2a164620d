// SPDX-License-Identifier: BSD-2-Clause
// InterfaceWatch: tells that an address or an interface of this host has come or gone (rtnetlink(7)).
// What there is now is asked of the system afresh each time, so that a message lost costs nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/event_loop.h"
#include "lib/address.h"
#include "lib/fd.h"
#include "lib/result.h"

namespace crossgate {

class InterfaceWatch {
 public:
  /// Calls `changed` from now on.  The Error says why the kernel tells nothing.
  static Result<std::unique_ptr<InterfaceWatch>> start(EventLoop& loop, std::function<void()> changed);

 private:
  InterfaceWatch(EventLoop& loop, Fd fd, std::function<void()> changed);
  static void onMessage(int, short, void* self) noexcept;

  Fd fd_;
  std::function<void()> changed_;
  Event event_;
};

/// The addresses of an interface, IPv4 first; link-local ones of IPv6 with their zone.
std::vector<IpAddress> addressesOf(const std::string& interface);

}  // namespace crossgate
