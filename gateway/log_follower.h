// SPDX-License-Identifier: BSD-2-Clause
// LogFollower: how a helper process hears that the master has opened the log file again; one without an event
// loop waits for the channel itself and calls hear().
//
// The master alone holds the other end of the channel, so that no worker can turn a helper's log
// elsewhere.  Workers hear it among their orders (handover.h).
#pragma once

#include <functional>

#include "gateway/event_loop.h"
#include "gateway/log.h"
#include "lib/fd.h"

namespace crossgate {

class LogFollower {
 public:
  /// `followed` is called after each change.
  LogFollower(EventLoop& loop, Fd news, const Log& log, std::function<void()> followed = {});

  /// The master's side: tells of the descriptor in force.
  static void tell(int news, const Log& log) noexcept;

  enum class Heard : std::uint8_t { nothing, change, end };
  /// Takes one piece of news without waiting; `end`: the master has died.
  static Heard hear(int news, const Log& log);

 private:
  static void onNews(int, short, void* self) noexcept;
  void onNews();

  Fd news_;
  const Log& log_;
  std::function<void()> followed_;
  Event event_;
};

}  // namespace crossgate
