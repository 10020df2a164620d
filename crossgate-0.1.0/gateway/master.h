// SPDX-License-Identifier: BSD-2-Clause
// Master: the process with privileges.  It accepts clients, applies the cheap limits and hands the
// descriptors to workers; it minds signals, generations and the end.  It parses no octet of a client.
//
//   SIGHUP   read the configuration again; a bad one is logged and the old one stays; a good one
//            starts a new generation of workers, the old one finishes its relays
//   SIGTERM  stop accepting, let relays finish for `drain` seconds, then end them
//   SIGINT   end now
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "gateway/config.h"
#include "gateway/event_loop.h"
#include "gateway/listener.h"
#include "gateway/pool.h"
#include "gateway/source_limits.h"

namespace crossgate {

class Master {
 public:
  struct Services {
    std::function<Result<LoadedConfig>()> reload;  ///< reads the configuration again
    std::function<void()> eachSecond;
    WorkerMain workerMain;
    HelperMain authHelperMain;
    HelperMain gssHelperMain;
  };

  explicit Master(Services services);

  /// Binds and forks; the Error says what stands in the way.
  Result<void> start(Config config, Log log);
  /// Serves until it is told to stop; returns the exit code.
  int run();

 private:
  void onSignal(int signal);
  void onClients(Listener& listener, std::uint16_t index);
  void onTick();
  void reload();
  Result<void> tryReload();
  void stop(std::chrono::seconds drain);
  void reapChildren();
  void pauseAccepting(bool untilRoom);
  void resumeAccepting();
  void admit(Accepted accepted, std::uint16_t listener);
  void refuse(const Accepted& accepted);

  Result<std::vector<std::unique_ptr<Listener>>> openListeners(const Config& config);
  std::unique_ptr<Pool> makePool(Config config, Log log);
  void adopt(std::vector<std::unique_ptr<Listener>> listeners, std::unique_ptr<Pool> pool);
  Pool& current() { return *pools_.front(); }
  const Log& log() { return current().log(); }

  pid_t forkChild(std::vector<int> keep, const std::function<void()>& life);

  template <void (Master::*handler)()>
  static Event::Callback trampoline();
  static void onSignalEvent(int signal, short, void* self) noexcept;

  Services services_;
  EventLoop loop_;
  SourceLimits sources_;
  std::vector<std::unique_ptr<Listener>> listeners_;  // in the order of the configuration
  std::list<std::unique_ptr<Pool>> pools_;            // the generation that takes clients is at the front
  Fd wake_;
  std::unique_ptr<Event> wakeEvent_;
  std::unique_ptr<Event> tick_;
  std::unique_ptr<Event> resume_;
  std::vector<std::unique_ptr<Event>> signals_;
  bool stopping_ = false;
  bool accepting_ = false;
  Deadline endAt_ = never;   // when a drain becomes an end
  Deadline killAt_ = never;  // when an end becomes a kill
  Deadline quietUntil_{};    // the complaints of accept() come once a while
  std::uint64_t refused_ = 0;
};

}  // namespace crossgate
