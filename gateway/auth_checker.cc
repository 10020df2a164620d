// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/auth_checker.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "gateway/pam.h"
#include "gateway/password_file.h"
#include "gateway/process.h"
#include "lib/fdpass.h"

namespace crossgate {
namespace {

constexpr std::chrono::seconds longestCheck{30};
constexpr std::chrono::seconds respawnPause{1};

// The process itself.
class Back {
 public:
  Back(const AuthConfig& config, const Log& log) : config_(config), log_(log) { reload(); }

  LoginVerdict judge(const LoginRequest& login) {
    if (config_.passwordFile.empty()) return checkWithPam(config_.pam, login);
    // What keeps a file from being read may go away without leaving a mark on it: its mode, a shortage.
    if (!unreadable_.empty() || FileStamp::of(config_.passwordFile) != stamp_) reload();
    // Nobody knows who is in it then, and is none of PAM's.
    if (!unreadable_.empty()) return LoginVerdict::unavailable;
    if (!config_.pam.empty() && !file_.contains(login.user)) return checkWithPam(config_.pam, login);
    return file_.verify(login.user, login.password) ? LoginVerdict::accepted : LoginVerdict::rejected;
  }

 private:
  void reload() {
    if (config_.passwordFile.empty()) return;
    stamp_ = FileStamp::of(config_.passwordFile);
    auto loaded = PasswordFile::load(config_.passwordFile);
    const std::string before = std::exchange(unreadable_, loaded ? "" : loaded.error().detail);
    if (!loaded) {
      if (unreadable_ == before) return;
      log_.line(LogLevel::error).field("event", "password file cannot be read").field("reason", unreadable_);
      return;
    }
    file_ = *std::move(loaded);
    for (const std::string& mistake : file_.mistakes()) {
      log_.line(LogLevel::warning).field("event", "password file").field("reason", mistake);
    }
  }

  const AuthConfig& config_;
  const Log& log_;
  PasswordFile file_;
  FileStamp stamp_;
  std::string unreadable_;  // why the file can't be read; empty: it can
};

[[noreturn]] void runChecker(int channel, const AuthConfig& config, const Log& log) {
  signal(SIGCHLD, SIG_DFL);  // PAM modules wait for helpers of their own
  std::array keep{channel, log.fd()};
  closeAllBut(keep);
  Back back(config, log);
  for (;;) {
    pollfd ready{channel, POLLIN, 0};
    if (poll(&ready, 1, -1) < 0 && errno != EINTR) _exit(1);
    auto received = receiveQuestion(channel);
    if (!received) _exit(received.error().failure == Failure::peerGone ? 0 : 1);
    if (!received->has_value()) continue;
    auto& [number, login] = **received;
    const LoginVerdict verdict = back.judge(login);
    wipe(login.password);
    if (!sendAnswer(channel, {number, verdict})) _exit(0);
  }
}

}  // namespace

Task<LoginVerdict> Checker::check(const LoginRequest& login) {
  if (std::exchange(stale_, false)) {
    channel_.reset();  // by which it ends
    notBefore_ = {};
  }
  if (!ask(login)) co_return LoginVerdict::unavailable;
  const Deadline deadline = in(longestCheck);
  for (;;) {
    const auto answer = receiveAnswer(channel_->fd());
    if (!answer) {
      end("it died");
      co_return LoginVerdict::unavailable;
    }
    if (answer->has_value()) co_return (*answer)->verdict;
    channel_->blockedReading();
    if (co_await channel_->readable(deadline) == Wake::timedOut) {
      end("it took too long");
      co_return LoginVerdict::unavailable;
    }
  }
}

// A process that has died since its last login is no reason to refuse this one.
bool Checker::ask(const LoginRequest& login) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (channel_ == nullptr && !spawn()) return false;
    if (sendQuestion(channel_->fd(), 0, login)) return true;
    end("its channel is broken");
  }
  return false;
}

bool Checker::spawn() {
  if (Clock::now() < notBefore_) return false;
  notBefore_ = in(respawnPause);
  auto pair = messagePair();
  if (!pair) return false;
  pid_ = fork();
  if (pid_ == 0) runChecker(pair->theirs.get(), config_, log_);
  if (pid_ < 0) {
    log_.line(LogLevel::error)
        .field("event", "no login checker")
        .field("reason", systemError("fork", errno).detail);
    return false;
  }
  channel_ = std::make_unique<Socket>(loop_, std::move(pair->ours));
  return true;
}

void Checker::end(const char* why) {
  log_.line(LogLevel::error)
      .field("event", "login checker replaced")
      .field("pid", static_cast<std::uint64_t>(pid_))
      .field("reason", why);
  kill(pid_, SIGKILL);
  channel_.reset();
}

}  // namespace crossgate
