// SPDX-License-Identifier: BSD-2-Clause
// ServiceManager: what systemd, or another that speaks its protocol, is told of the master's life
// (sd_notify(3)), and the watchdog's heartbeat.  Where there is none ($NOTIFY_SOCKET), or crossgate was
// built without libsystemd, all of this does nothing.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>

#include "gateway/event_loop.h"

namespace crossgate {

class ServiceManager {
 public:
  explicit ServiceManager(EventLoop& loop) : loop_(loop) {}

  /// The service stands (again), and the heartbeat begins.
  void ready();
  /// A reload or an upgrade has begun; ready() ends it.
  void reloading() const;
  /// The end has begun and may take so long.
  void stopping(std::chrono::seconds drain) const;
  void status(const std::string& text);
  /// Another process is the service from now on, and this one says nothing more.
  void handOver(pid_t successor);
  /// We are that process: only the heartbeat begins, because the old master has said the rest.
  void takeOver();

 private:
  void say(const std::string& words) const;
  static void onBeat(int, short, void* self) noexcept;
  void beat();

  EventLoop& loop_;
  std::unique_ptr<Event> heartbeat_;
  std::chrono::microseconds interval_{0};
  std::string status_;
  bool silent_ = false;
};

}  // namespace crossgate
