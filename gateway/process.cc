// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/process.h"

#include <config.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace crossgate {

void closeAllBut(std::span<int> keep) noexcept {
  std::sort(keep.begin(), keep.end());
  unsigned from = STDERR_FILENO + 1;
  for (const int fd : keep) {
    if (fd < static_cast<int>(from)) continue;
    if (fd > static_cast<int>(from)) close_range(from, static_cast<unsigned>(fd) - 1, 0);
    from = static_cast<unsigned>(fd) + 1;
  }
  close_range(from, UINT_MAX, 0);
}

std::vector<Fd> openDescriptorsBut(const std::vector<int>& wanted) {
  std::vector<int> open;
  std::error_code failed;
  for (std::filesystem::directory_iterator it("/proc/self/fd", failed), end; !failed && it != end; it.increment(failed))
    open.push_back(std::atoi(it->path().filename().c_str()));
  std::vector<Fd> left;
  for (const int fd : open) {
    const bool ours = fd <= STDERR_FILENO || std::find(wanted.begin(), wanted.end(), fd) != wanted.end();
    if (!ours && fcntl(fd, F_GETFD) >= 0) left.emplace_back(fd);  // the one that read the folder is closed again
  }
  return left;
}

pid_t forkLean() noexcept {
// The sanitizers must hear of a fork.
#if defined(HAVE__FORK) && !defined(CROSSGATE_SANITIZED)
  return _Fork();
#else
  return fork();
#endif
}

void ignoreMastersSignals() noexcept {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE}) signal(number, SIG_IGN);
}

void resetSignals(std::span<const int> signals) noexcept {
  for (const int number : signals) signal(number, SIG_DFL);
}

std::size_t raiseDescriptorLimit(std::size_t wanted) noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  rlimit raised{wanted, std::max<rlim_t>(limit.rlim_max, wanted)};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return wanted;
  // Without the right to raise the hard limit: as far as that.
  raised = {std::min<rlim_t>(limit.rlim_max, wanted), limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return raised.rlim_cur;
  return limit.rlim_cur;
}

std::size_t descriptorLimit() noexcept {
  static const long limit = sysconf(_SC_OPEN_MAX);
  return limit > 0 ? static_cast<std::size_t>(limit) : 1024;
}

void letOthersRun() noexcept { (void)sched_yield(); }

void wakeUpWithoutPreempting() noexcept {
  constexpr sched_param none{};
  if (sched_getscheduler(0) == SCHED_OTHER) (void)sched_setscheduler(0, SCHED_BATCH, &none);
}

void describeEnd(Log::Line& line, int status) {
  if (WIFSIGNALED(status)) {
    line.field("signal", static_cast<std::uint64_t>(WTERMSIG(status)));
    line.field("name", std::string("SIG") + sigabbrev_np(WTERMSIG(status)));
  } else {
    line.field("status", static_cast<std::uint64_t>(WEXITSTATUS(status)));
  }
}

Result<Daemon> Daemon::detach() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return systemError("pipe", errno);
  Fd readEnd(ends[0]);
  Fd writeEnd(ends[1]);
  const pid_t pid = fork();
  if (pid < 0) return systemError("fork", errno);
  if (pid > 0) {
    writeEnd.reset();
    char word = 0;
    // End of file without a word: the child has died and said why on this terminal.
    _exit(read(readEnd.get(), &word, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
  }
  if (setsid() < 0) return systemError("setsid", errno);
  return Daemon(std::move(writeEnd));
}

void leaveTerminal() noexcept {
  umask(027);
  (void)!chdir("/");
  const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (null) dup2(null.get(), standard);
  }
}

void Daemon::ready() noexcept {
  (void)!write(parent_.get(), "1", 1);
  parent_.reset();
}

}  // namespace crossgate
