// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/helper_process.h"

#include <array>
#include <cerrno>
#include <stdexcept>

#include "gateway/log_follower.h"
#include "gateway/process.h"
#include "lib/fdpass.h"

namespace crossgate {
namespace {

constexpr std::chrono::seconds respawnPause{1};

}  // namespace

HelperProcess::HelperProcess(std::string name, bool needed, const Config& config, const Log& log,
                             HelperMain main, ForkChild forkChild)
    : name_(std::move(name)), config_(config), log_(log), main_(main), forkChild_(std::move(forkChild)) {
  if (!needed) return;
  auto pair = messagePair();
  if (!pair) throw std::runtime_error(name_ + ": " + pair.error().detail);
  questions_ = std::move(pair->ours);
  answers_ = std::move(pair->theirs);
}

void HelperProcess::maintain() {
  const auto now = std::chrono::steady_clock::now();
  if (!questions_ || pid_ != 0 || now < notBefore_) return;
  notBefore_ = now + respawnPause;
  const auto postpone = [&](const Error& error) {
    log_.line(LogLevel::error).field("event", "no " + name_).field("reason", error.detail);
  };
  auto news = messagePair();
  if (!news) return postpone(news.error());
  logNews_ = std::move(news->ours);
  const std::array keep{answers_.get(), news->theirs.get(), log_.fd()};
  const pid_t pid = forkChild_(keep, [keep, main = main_, &config = config_, &log = log_] {
    main({config, log, Fd(keep[0]), Fd(keep[1])});
  });
  if (pid < 0) return postpone(systemError("fork", errno));
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
