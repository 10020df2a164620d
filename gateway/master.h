// SPDX-License-Identifier: BSD-2-Clause
// Master: the process with privileges.  It accepts clients, applies the cheap limits and hands the
// descriptors to workers; it minds signals, generations and the end.  It parses no octet of a client.
//
//   SIGHUP   read the configuration again; a bad one is logged and the old one stays; a good one
//            starts a new generation of workers, the old one finishes its relays
//   SIGUSR1  open the log file again, in every process, after a log rotation has renamed it
//   SIGUSR2  start the program anew beside this one (upgrade_link.h); once it is ready it has the
//            listeners, and this master ends with its last relay; if it fails, this one goes on
//   SIGTERM  stop accepting, let relays finish for `drain` seconds, then end them
//   SIGINT   end now
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "gateway/config.h"
#include "gateway/event_loop.h"
#include "gateway/heap_gaps.h"
#include "gateway/inherited_sockets.h"
#include "gateway/interface_watch.h"
#include "gateway/listener_set.h"
#include "gateway/pid_file.h"
#include "gateway/pool.h"
#include "gateway/program.h"
#include "gateway/service_manager.h"
#include "gateway/source_limits.h"
#include "gateway/upgrade_link.h"

namespace crossgate {

class Master {
 public:
  struct Services {
    std::function<Result<LoadedConfig>()> reload;  ///< reads the configuration again
    std::function<void()> eachSecond;
    WorkerMain workerMain;
    HelperMain authHelperMain;
    HelperMain gssHelperMain;
    HelperMain gssClientHelperMain;
  };

  /// What this process was started with, and what it hands on at an upgrade.
  struct Estate {
    Program program;
    InheritedSockets sockets;
    Predecessors predecessors;
    std::optional<PidFile> pidFile;
  };

  /// `estate` outlives the master.
  Master(Services services, Estate& estate);

  /// Binds; the Error says what stands in the way.
  Result<void> start(Config config, Log log);
  /// Forks workers and serves until it is told to stop; returns the exit code.
  int run();

 private:
  void onSignal(int signal);
  void onClients(Listener& listener, std::uint16_t index);
  void onTick();
  void tellStatus();
  void reload();
  void reopenLogs();
  Result<void> tryReload();
  void stop(std::chrono::seconds drain);
  void endNow();
  void cease();
  bool mayEnd() const;
  void upgrade();
  void handOver();
  void onSuccessorFailed(const std::string& reason);
  void onWord(UpgradeWord word);
  void reapChildren();
  void pauseAccepting(bool untilRoom);
  void resumeAccepting();
  void admit(Accepted accepted, std::uint16_t listener);
  void refuse(const Accepted& accepted);

  std::unique_ptr<Pool> makePool(Config config, Log log);
  void refreshListeners();
  void tidyMemory();
  void forkWorkers();
  Pool& current() { return *pools_.front(); }
  const Log& log() { return current().log(); }

  pid_t forkChild(pid_t (*forking)(), std::span<const int> keep, const std::function<void()>& life);

  template <void (Master::*handler)()>
  static Event::Callback trampoline();
  static void onSignalEvent(int signal, short, void* self) noexcept;

  Services services_;
  Estate& estate_;
  EventLoop loop_;
  SourceLimits sources_;
  ListenerSet listeners_;
  std::unique_ptr<InterfaceWatch> interfaces_;
  std::list<std::unique_ptr<Pool>> pools_;            // the generation that takes clients is at the front
  Fd wake_;
  std::optional<Event> wakeEvent_;
  std::optional<Event> tick_;
  std::optional<Event> resume_;
  std::vector<std::unique_ptr<Event>> signals_;
  HeapGaps heapGaps_;
  ServiceManager manager_;
  Successor successor_;
  bool stopping_ = false;
  bool accepting_ = false;
  Deadline endAt_ = never;   // when a drain becomes an end
  Deadline killAt_ = never;  // when an end becomes a kill
  Deadline lastClients_{};   // when onClients() was last called
  Deadline quietUntil_{};    // the complaints of accept() come once a while
  std::uint64_t refused_ = 0;
};

}  // namespace crossgate
