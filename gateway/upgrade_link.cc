// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/upgrade_link.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include "gateway/process.h"

namespace crossgate {
namespace {

constexpr const char* variable = "CROSSGATE_UPGRADE";
constexpr std::chrono::seconds longestStart{60};
constexpr std::size_t longestText = 2000;
constexpr int firstHanded = STDERR_FILENO + 1;

// Leaves the descriptors of `given` at 3, 4, 5, ..., and no other.  -1 stands for none, and takes no number.
void arrange(const std::vector<int>& given) noexcept {
  const int end = firstHanded + static_cast<int>(given.size());
  std::vector<int> copies;
  for (const int fd : given) copies.push_back(fd < 0 ? -1 : fcntl(fd, F_DUPFD, end));
  std::vector<int> kept;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const int place = firstHanded + static_cast<int>(i);
    if (copies[i] >= 0) kept.push_back(dup2(copies[i], place));
  }
  closeAllBut(kept);
}

void setNumber(const char* name, long number) noexcept { setenv(name, std::to_string(number).c_str(), 1); }

// The life of the child up to the new program.
[[noreturn]] void becomeNew(const Program& program, const Successor::Estate& estate, int link) {
  std::vector<int> handed = estate.listeners;
  const int ours = firstHanded + static_cast<int>(handed.size());
  for (const int fd : {link, STDERR_FILENO, estate.pidFile}) handed.push_back(fd);
  handed.insert(handed.end(), estate.olderLinks.begin(), estate.olderLinks.end());
  arrange(handed);
  dup2(ours, STDERR_FILENO);

  setNumber("LISTEN_FDS", ours - firstHanded);
  setNumber("LISTEN_PID", getpid());
  if (getenv("WATCHDOG_PID") != nullptr) setNumber("WATCHDOG_PID", getpid());
  std::string numbers = std::to_string(ours) + " " + std::to_string(ours + 1) + " " +
                        std::to_string(estate.pidFile < 0 ? -1 : ours + 2);
  for (std::size_t i = 0; i < estate.olderLinks.size(); ++i) {
    numbers += " " + std::to_string(ours + 3 + static_cast<int>(i));
  }
  setenv(variable, numbers.c_str(), 1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  program.execute();
  const std::string why = systemError(program.path().c_str(), errno).detail;
  (void)!write(STDERR_FILENO, why.data(), why.size());
  _exit(127);
}

bool keepFromChildren(int fd) noexcept { return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0; }

void send(const Fd& link, std::string_view text) noexcept {
  (void)::send(link.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);  // it may have ended
}

}  // namespace

// ---- the old masters, for the new one ------------------------------------------------------------

Predecessors Predecessors::fromEnvironment() {
  Predecessors old;
  const char* given = std::getenv(variable);
  std::istringstream numbers(given == nullptr ? "" : given);
  int link = -1, standardError = -1, pidFile = -1;
  if (numbers >> link >> standardError >> pidFile) {
    dup2(standardError, STDERR_FILENO);
    const Fd original(standardError);
    if (keepFromChildren(pidFile)) old.pidFile_ = Fd(pidFile);
    do {
      if (keepFromChildren(link)) old.links_.push_back({Fd(link), nullptr, nullptr});
    } while (numbers >> link);
  }
  unsetenv(variable);
  return old;
}

void Predecessors::complain(const std::string& text) const noexcept {
  if (present()) send(links_.front().fd, text);
}

void Predecessors::ready() const noexcept {
  const auto word = static_cast<char>(UpgradeWord::ready);
  if (present()) send(links_.front().fd, {&word, 1});
}

void Predecessors::tellAll(UpgradeWord word) const noexcept {
  const auto octet = static_cast<char>(word);
  for (const Link& link : links_) send(link.fd, {&octet, 1});
}

void Predecessors::watch(EventLoop& loop, std::function<void()> gone) {
  gone_ = std::move(gone);
  for (Link& link : links_) {
    link.owner = this;
    link.event = std::make_unique<Event>(loop, link.fd.get(), EV_READ, &Predecessors::onEnd, &link);
    link.event->add();
  }
}

// They say nothing, so what there is to read is the end.
void Predecessors::onEnd(int, short, void* link) noexcept {
  auto* ended = static_cast<Link*>(link);
  Predecessors* owner = ended->owner;
  owner->links_.remove_if([&](const Link& each) { return &each == ended; });
  owner->gone_();
}

std::vector<int> Predecessors::links() const {
  std::vector<int> fds;
  for (const Link& link : links_) fds.push_back(link.fd.get());
  return fds;
}

// ---- the new master, for the old one -------------------------------------------------------------

Successor::Successor(EventLoop& loop, Services services) : loop_(loop), services_(std::move(services)) {}

Result<void> Successor::start(const Program& program, const Estate& estate) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return systemError("socketpair", errno);
  Fd link(ends[0]);
  const Fd theirs(ends[1]);
  // No signal of ours may run its handlers in the child.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  const pid_t pid = fork();
  const int error = errno;
  if (pid == 0) becomeNew(program, estate, theirs.get());
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return systemError("fork", error);
  pid_ = pid;
  ready_ = false;
  text_.clear();
  link_ = std::move(link);
  event_ = std::make_unique<Event>(loop_, link_.get(), EV_READ | EV_PERSIST, &Successor::onLink, this);
  event_->add();
  patience_ = std::make_unique<Event>(loop_, -1, 0, &Successor::onTimeout, this);
  patience_->addUntil(in(longestStart));
  return {};
}

void Successor::onLink(int, short, void* self) noexcept { static_cast<Successor*>(self)->hear(); }

void Successor::onTimeout(int, short, void* self) noexcept {
  auto* successor = static_cast<Successor*>(self);
  kill(successor->pid_, SIGKILL);
  successor->fail("it was not ready after " + std::to_string(longestStart.count()) + " seconds");
}

void Successor::hear() {
  std::array<char, 512> room;
  const ssize_t size = recv(link_.get(), room.data(), room.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    if (!ready_) return fail(text_.empty() ? "it ended without a word" : text_);
    event_.reset();
    return services_.said(UpgradeWord::stop);
  }
  for (const char octet : std::string_view(room.data(), static_cast<std::size_t>(size))) {
    if (ready_ || octet == static_cast<char>(UpgradeWord::ready)) {
      hear(static_cast<UpgradeWord>(octet));
    } else if (text_.size() < longestText) {
      text_ += octet;
    }
  }
}

void Successor::hear(UpgradeWord word) {
  if (word != UpgradeWord::ready) return services_.said(word);
  ready_ = true;
  patience_.reset();
  services_.ready();
}

void Successor::giveUp() {
  if (!starting()) return;
  kill(pid_, SIGKILL);
  forget();
}

void Successor::forget() {
  event_.reset();
  patience_.reset();
  link_.reset();
  pid_ = 0;
}

void Successor::fail(std::string reason) {
  forget();
  while (reason.ends_with('\n')) reason.pop_back();
  services_.failed(reason);
}

}  // namespace crossgate
