// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/helper_process.h"

#include <sys/socket.h>

#include <cerrno>
#include <system_error>

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
  const pid_t pid = forkChild_({answers_.get()}, [this] { main_(config_, log_, std::move(answers_)); });
  if (pid > 0) {
    pid_ = pid;
    return;
  }
  log_.line(LogLevel::error).field("event", "no " + name_).field("reason", systemError("fork", errno).detail);
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
