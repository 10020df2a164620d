// SPDX-License-Identifier: BSD-2-Clause
// HelperProcess: the master's hold on a helper of one generation (the auth helper, the GSSAPI helper):
// forks it, and forks another when it dies.
//
// Workers ask it over one socketpair that the master keeps open on both ends, so that a helper that
// dies loses the questions it has read, and the next one finds those that it had not.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <span>
#include <string>

#include "gateway/config.h"
#include "lib/fd.h"
#include "lib/result.h"

namespace crossgate {

/// What a helper process is given at birth.
struct HelperStart {
  const Config& config;
  const Log& log;
  Fd questions;
  Fd logNews;  ///< for a LogFollower
};
/// The life of a helper process; see auth_helper.h and gss_helper.h.
using HelperMain = void (*)(HelperStart start);
/// Forks a child that keeps `keep` of the master's descriptors, lives `life` and exits; -1 and errno.
/// The master's memory (masters_memory.h) is not there for `life`.
using ForkChild = std::function<pid_t(std::span<const int> keep, const std::function<void()>& life)>;

class HelperProcess {
 public:
  /// `name` is for the log.  A helper that is not `needed` is never forked.
  HelperProcess(std::string name, bool needed, const Config& config, const Log& log, HelperMain main,
                ForkChild forkChild);

  /// Where workers write their questions; -1 when the configuration does not need this helper.
  int questions() const noexcept { return questions_.get(); }
  /// Forks the helper if there should be one and is none.
  void maintain();
  /// True when `pid` was the helper; says so in the log.
  bool reap(pid_t pid, int status);
  /// The log was opened again.
  void followLog() const noexcept;

 private:
  std::string name_;
  const Config& config_;
  const Log& log_;
  HelperMain main_;
  ForkChild forkChild_;
  Fd questions_;
  Fd answers_;  // the helper's end
  Fd logNews_;  // our end
  pid_t pid_ = 0;
  std::chrono::steady_clock::time_point notBefore_{};
};

}  // namespace crossgate
