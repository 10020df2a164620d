// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/janitor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>

#include "lib/fd.h"
#include "socksify/private_gateway.h"

namespace crossgate::socksify {
namespace {

// A write lease is granted to the only one who has a file open or mapped: then nobody uses it any more.
bool isLast(int fd) noexcept {
  if (::fcntl(fd, F_SETLEASE, F_WRLCK) == 0) return true;
  return errno != EAGAIN;  // a file system without leases: the end of the program has to do
}

class Janitor {
 public:
  Janitor(const Household& house, Fd program) : house_(house), program_(std::move(program)) {}

  /// What startJanitor() waits for: "PORT", or "!" and what is wrong.
  std::string settle() {
    if (house_.gateway.empty()) return "0";
    auto started = PrivateGateway::start(house_.gateway, house_.gatewayConfig);
    if (!started) return "!" + started.error().detail;
    gateway_.emplace(*std::move(started));
    return std::to_string(gateway_->port());
  }

  void work() {
    constexpr int firstNap = 200, longestNap = 10000;  // milliseconds
    while (!wait(program_.get(), -1)) continue;
    const Fd memory(::open(house_.memory.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    for (int nap = firstNap; memory && !isLast(memory.get()); nap = std::min(nap * 2, longestNap)) {
      while (wait(-1, nap)) continue;
    }
    ::unlink(house_.memory.c_str());
  }

 private:
  // True when `fd` (or, without one, the gateway) has something to say before the time is over.
  bool wait(int fd, int milliseconds) {
    pollfd ready[] = {{fd, POLLIN, 0}, {gateway_ ? gateway_->log() : -1, POLLIN, 0}};
    if (::poll(ready, 2, milliseconds) <= 0) return false;
    if (ready[1].revents != 0) gateway_->readLog([this](std::string_view line) { tell(line); });
    return fd < 0 || ready[0].revents != 0;
  }

  void tell(std::string_view line) const {
    const std::string reason = reasonIn(line);
    if (!house_.tells || reason.empty()) return;
    std::fprintf(stderr, "socksify: private gateway: %.*s\n", static_cast<int>(line.size()), line.data());
  }

  const Household& house_;
  Fd program_;
  std::optional<PrivateGateway> gateway_;
};

[[noreturn]] void live(const Household& house, int program, int answer) {
  ::setsid();
  if (const pid_t grandchild = ::fork(); grandchild != 0) ::_exit(grandchild < 0 ? 1 : 0);
  constexpr int first = 3, second = 4;
  const int keptProgram = ::fcntl(program, F_DUPFD_CLOEXEC, 10);
  const int keptAnswer = ::fcntl(answer, F_DUPFD_CLOEXEC, 10);
  if (::dup3(keptProgram, first, O_CLOEXEC) < 0 || ::dup3(keptAnswer, second, O_CLOEXEC) < 0 ||
      ::chdir("/") != 0)
    ::_exit(1);
  ::close_range(second + 1, ~0U, 0);
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd < (house.tells ? STDERR_FILENO : first); ++fd) ::dup2(null, fd);
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  {
    Janitor janitor(house, Fd(first));
    const std::string word = janitor.settle();
    Fd told(second);
    (void)!::write(told.get(), word.data(), word.size());
    told.reset();
    if (!word.starts_with('!')) janitor.work();
  }  // ends the private gateway, which _exit() would not
  ::_exit(0);
}

Result<std::uint16_t> hear(int answer) {
  std::string word;
  char chunk[1024];
  for (ssize_t got = 0; (got = ::read(answer, chunk, sizeof chunk)) != 0;) {
    if (got > 0) word.append(chunk, static_cast<std::size_t>(got));
    if (got < 0 && errno != EINTR) break;
  }
  if (word.starts_with('!')) return Error{Failure::invalid, word.substr(1)};
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), port);
  if (word.empty() || error != std::errc{}) return Error{Failure::general, "the process that cleans up died"};
  return port;
}

}  // namespace

Result<std::uint16_t> startJanitor(const Household& house) {
  const Fd program(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  int ends[2];
  if (!program || ::pipe2(ends, O_CLOEXEC) != 0) return systemError("the process that cleans up", errno);
  const Fd answer(ends[0]);
  Fd theirs(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) live(house, program.get(), theirs.get());
  const int failed = errno;
  theirs.reset();
  int status = 1;
  if (child > 0) ::waitpid(child, &status, 0);
  if (child < 0 || status != 0) return systemError("the process that cleans up", failed);
  return hear(answer.get());
}

}  // namespace crossgate::socksify
