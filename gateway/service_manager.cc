// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/service_manager.h"

#include <config.h>

#include <cstdlib>
#include <ctime>
#ifdef HAVE_LIBSYSTEMD
#include <systemd/sd-daemon.h>
#endif

namespace crossgate {
namespace {

constexpr std::chrono::seconds endPatience{10};  // beyond the drain

std::string monotonicNow() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::to_string(now.tv_sec * 1'000'000L + now.tv_nsec / 1'000);
}

// How long systemd waits for a sign of life; 0: for ever.
std::chrono::microseconds watchdogTime() {
#ifdef HAVE_LIBSYSTEMD
  std::uint64_t time = 0;
  if (sd_watchdog_enabled(0, &time) > 0) return std::chrono::microseconds(time);
#endif
  return {};
}

}  // namespace

void ServiceManager::say([[maybe_unused]] const std::string& words) const {
  if (silent_) return;
#ifdef HAVE_LIBSYSTEMD
  if (std::getenv("NOTIFY_SOCKET") == nullptr) return;  // asking the library would only bring in its pages
  sd_notify(0, words.c_str());
#endif
}

void ServiceManager::ready() {
  say("READY=1");
  takeOver();
}

void ServiceManager::takeOver() {
  if (heartbeat_) return;
  interval_ = watchdogTime() / 2;
  if (interval_.count() == 0) return;
  heartbeat_ = std::make_unique<Event>(loop_, -1, 0, &ServiceManager::onBeat, this);
  beat();
}

void ServiceManager::onBeat(int, short, void* self) noexcept { static_cast<ServiceManager*>(self)->beat(); }

void ServiceManager::beat() {
  say("WATCHDOG=1");
  heartbeat_->addUntil(in(interval_));
}

void ServiceManager::reloading() const { say("RELOADING=1\nMONOTONIC_USEC=" + monotonicNow()); }

void ServiceManager::stopping(std::chrono::seconds drain) const {
  const std::chrono::microseconds time = drain + endPatience;
  say("STOPPING=1\nEXTEND_TIMEOUT_USEC=" + std::to_string(time.count()));
}

void ServiceManager::status(const std::string& text) {
  if (std::exchange(status_, text) != text) say("STATUS=" + text);
}

void ServiceManager::handOver(pid_t successor) {
  say("MAINPID=" + std::to_string(successor) + "\nREADY=1");
  silent_ = true;
  heartbeat_.reset();
}

}  // namespace crossgate
