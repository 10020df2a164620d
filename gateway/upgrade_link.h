// SPDX-License-Identifier: BSD-2-Clause
// The whole contract between the master that is upgraded and the new one.
//
// The old master forks and starts the program anew (program.h) with
//   LISTEN_FDS, LISTEN_PID    the listening sockets, from descriptor 3 (inherited_sockets.h)
//   CROSSGATE_UPGRADE         the numbers of further descriptors: the link, which is a stream socketpair;
//                             the old one's standard error; its pid file, or -1; and the links that it
//                             has itself, to masters that are still busy since earlier upgrades
//   standard error            the link too, so that the old master hears what a loader complains of
// What comes over the link before the word `ready` is text: why the new master can't start.  With `ready`
// the new one has taken over; the old one closes its listeners and ends with its last relay, however
// long that takes.  The other words go from the new master to all older ones, which nobody else knows
// any more.  The end of file means that the other side has ended; for an old master it says `stop`.
#pragma once

#include <sys/types.h>

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "gateway/event_loop.h"
#include "gateway/program.h"
#include "lib/fd.h"
#include "lib/result.h"

namespace crossgate {

enum class UpgradeWord : char {
  ready = '\x06',
  stop = '\x01',       ///< what runs may go on for the drain time
  endNow = '\x02',     ///< and not even that
  reopenLog = '\x03',  ///< the log file has been renamed
};

/// The old masters, as the new one sees them.
class Predecessors {
 public:
  /// Who started this process, if that was an upgrade; to be called first of all.
  static Predecessors fromEnvironment();

  /// True when this process is to take another's place.
  bool present() const noexcept { return !links_.empty(); }
  Fd takePidFile() noexcept { return std::move(pidFile_); }
  /// Why this process ends before it is ready.
  void complain(const std::string& text) const noexcept;
  void ready() const noexcept;

  void tellAll(UpgradeWord word) const noexcept;
  /// Calls `gone` each time one of them has ended.
  void watch(EventLoop& loop, std::function<void()> gone);
  /// For the next upgrade, after which they are no longer ours to direct.
  std::vector<int> links() const;
  void forget() noexcept { links_.clear(); }

 private:
  struct Link {
    Fd fd;
    Predecessors* owner = nullptr;
    std::unique_ptr<Event> event;
  };
  static void onEnd(int, short, void* link) noexcept;

  std::list<Link> links_;  // the one that started us is at the front
  Fd pidFile_;
  std::function<void()> gone_;
};

/// The new master, as the old one sees it.
class Successor {
 public:
  struct Services {
    std::function<void()> ready;
    std::function<void(const std::string& reason)> failed;
    std::function<void(UpgradeWord word)> said;  ///< once it is ready
  };
  Successor(EventLoop& loop, Services services);

  /// What a new master is given of ours.
  struct Estate {
    std::vector<int> listeners;
    int pidFile = -1;
    std::vector<int> olderLinks;
  };
  Result<void> start(const Program& program, const Estate& estate);
  /// Ends one that is not ready yet; nobody is told.
  void giveUp();
  bool starting() const noexcept { return pid_ != 0 && !ready_; }
  pid_t pid() const noexcept { return pid_; }

 private:
  static void onLink(int, short, void* self) noexcept;
  static void onTimeout(int, short, void* self) noexcept;
  void hear();
  void hear(UpgradeWord word);
  void fail(std::string reason);
  void forget();

  EventLoop& loop_;
  Services services_;
  Fd link_;
  std::unique_ptr<Event> event_;
  std::unique_ptr<Event> patience_;
  pid_t pid_ = 0;
  bool ready_ = false;
  std::string text_;
};

}  // namespace crossgate
