// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/helper_process.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "gateway/log_follower.h"
#include "gateway/process.h"

namespace crossgate {
namespace {

constexpr std::chrono::seconds respawnPause{1};

}  // namespace

HelperProcess::HelperProcess(std::string name, bool needed, const Config& config, const Log& log,
                             HelperMain main, ForkChild forkChild)
    : name_(std::move(name)), config_(config), log_(log), main_(main), forkChild_(std::move(forkChild)) {
  if (!needed) return;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), name_ + ": socketpair");
  }
  questions_ = Fd(ends[0]);
  answers_ = Fd(ends[1]);
}

void HelperProcess::maintain() {
  const auto now = std::chrono::steady_clock::now();
  if (!questions_ || pid_ != 0 || now < notBefore_) return;
  notBefore_ = now + respawnPause;
  const auto postpone = [&](const char* what) {
    log_.line(LogLevel::error)
        .field("event", "no " + name_)
        .field("reason", systemError(what, errno).detail);
  };
  int news[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, news) != 0) {
    return postpone("socketpair");
  }
  logNews_ = Fd(news[0]);
  Fd theirs(news[1]);
  const std::array keep{answers_.get(), theirs.get()};
  const pid_t pid = forkChild_(keep, [keep, main = main_, &config = config_, &log = log_] {
    main({config, log, Fd(keep[0]), Fd(keep[1])});
  });
  if (pid < 0) return postpone("fork");
  pid_ = pid;
}

void HelperProcess::followLog() const noexcept {
  if (pid_ != 0) LogFollower::tell(logNews_.get(), log_);
}

bool HelperProcess::reap(pid_t pid, int status) {
  if (pid_ == 0 || pid != pid_) return false;
  pid_ = 0;
  auto line = log_.line(LogLevel::error);
  line.field("event", name_ + " died").field("pid", static_cast<std::uint64_t>(pid));
  describeEnd(line, status);
  return true;
}

}  // namespace crossgate
