// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/passwd_command.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <iostream>
#include <optional>
#include <sstream>

#include "gateway/auth_protocol.h"
#include "gateway/password_file.h"
#include "lib/fd.h"
#include "lib/result.h"

namespace crossgate {
namespace {

constexpr const char* usage = "Usage: crossgate passwd [-D] FILE USER\n";
constexpr mode_t fileMode = 0640;

Error general(std::string detail) { return {Failure::general, std::move(detail)}; }

// ---- the password -------------------------------------------------------------------------------

// Turns the echo of the terminal off, and on again on every way out; signals wait meanwhile.
class SilentTerminal {
 public:
  explicit SilentTerminal(int fd) : fd_(fd) {
    if (tcgetattr(fd_, &before_) != 0) return;
    sigset_t interrupts;
    sigemptyset(&interrupts);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGTSTP}) sigaddset(&interrupts, number);
    sigprocmask(SIG_BLOCK, &interrupts, &mask_);
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_lflag |= ECHONL;
    changed_ = tcsetattr(fd_, TCSAFLUSH, &silent) == 0;
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;
  ~SilentTerminal() {
    if (!changed_) return;
    tcsetattr(fd_, TCSAFLUSH, &before_);
    sigprocmask(SIG_SETMASK, &mask_, nullptr);
  }

 private:
  int fd_;
  termios before_{};
  sigset_t mask_{};
  bool changed_ = false;
};

Result<std::string> readLine() {
  std::string line;
  if (!std::getline(std::cin, line)) return general("no password was given");
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

Result<std::string> askPassword() {
  if (isatty(STDIN_FILENO) == 0) return readLine();
  const SilentTerminal silent(STDIN_FILENO);
  std::cerr << "Password: ";
  auto first = readLine();
  if (!first) return first;
  std::cerr << "Again: ";
  auto second = readLine();
  if (!second) return second;
  const bool same = *first == *second;
  wipe(*second);
  if (!same) return general("the two passwords differ");
  return first;
}

// ---- the file -----------------------------------------------------------------------------------

// Opens the file and locks it.  Another command may have replaced it while we waited: then again.
Result<Fd> openLocked(const std::string& path) {
  for (;;) {
    Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return systemError(path.c_str(), errno);
    if (flock(fd.get(), LOCK_EX) != 0) return systemError(path.c_str(), errno);
    struct stat locked {
    }, current{};
    if (fstat(fd.get(), &locked) != 0) return systemError(path.c_str(), errno);
    if (stat(path.c_str(), &current) == 0 && current.st_ino == locked.st_ino) return fd;
  }
}

Result<std::string> readAll(int fd, const std::string& path) {
  std::string text;
  char piece[4096];
  for (;;) {
    const ssize_t count = read(fd, piece, sizeof piece);
    if (count == 0) return text;
    if (count < 0) return systemError(path.c_str(), errno);
    text.append(piece, static_cast<std::size_t>(count));
  }
}

Result<void> writeAll(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count < 0) return systemError(path.c_str(), errno);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (fsync(fd) != 0) return systemError(path.c_str(), errno);
  return {};
}

// The text with the user's line replaced or added (`hash`), or deleted (none).  Empty when there was
// nothing to delete.
std::optional<std::string> edited(const std::string& text, const std::string& user,
                                  const std::optional<std::string>& hash) {
  const std::string head = user + ":";
  std::istringstream lines(text);
  std::string result, line;
  bool found = false;
  while (std::getline(lines, line)) {
    if (!line.starts_with(head)) {
      result += line + '\n';
      continue;
    }
    if (hash && !found) {
      // What a second colon begins belongs to somebody else's use of the file.
      const std::size_t rest = line.find(':', head.size());
      result += head + *hash + (rest == line.npos ? "" : line.substr(rest)) + '\n';
    }
    found = true;
  }
  if (!found && !hash) return std::nullopt;
  if (!found) result += head + *hash + '\n';
  return result;
}

Result<void> replaceFile(const std::string& path, const std::string& text, const struct stat& before) {
  std::string beside = path + ".XXXXXX";
  const Fd fd(mkostemp(beside.data(), O_CLOEXEC));
  if (!fd) return systemError(beside.c_str(), errno);
  const auto failed = [&](Error error) {
    unlink(beside.c_str());
    return error;
  };
  if (auto written = writeAll(fd.get(), text, beside); !written) return failed(written.error());
  // The owner first: chown takes set-id bits, and a mode for the wrong group would be a hole.
  if (before.st_uid != geteuid() || before.st_gid != getegid()) {
    if (fchown(fd.get(), before.st_uid, before.st_gid) != 0)
      return failed(systemError("keep the owner", errno));
  }
  if (fchmod(fd.get(), fileMode) != 0) return failed(systemError("chmod", errno));
  if (rename(beside.c_str(), path.c_str()) != 0) return failed(systemError(path.c_str(), errno));
  return {};
}

Result<void> makeIfMissing(const std::string& path) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, fileMode));
  if (!fd) return systemError(path.c_str(), errno);
  return {};
}

Result<void> change(const std::string& path, const std::string& user,
                    const std::optional<std::string>& hash) {
  if (hash) {
    if (auto made = makeIfMissing(path); !made) return made;
  }
  const auto fd = openLocked(path);
  if (!fd) return fd.error();
  struct stat before {};
  if (fstat(fd->get(), &before) != 0) return systemError(path.c_str(), errno);
  const auto text = readAll(fd->get(), path);
  if (!text) return text.error();
  const auto changed = edited(*text, user, hash);
  if (!changed) return general(path + " has no user '" + user + "'");
  return replaceFile(path, *changed, before);
}

Result<std::string> newHash() {
  auto password = askPassword();
  if (!password) return password.error();
  if (const std::string why = whyNotPassword(*password); !why.empty()) return general("the password " + why);
  auto hash = hashPassword(*password);
  wipe(*password);
  return hash;
}

Result<void> perform(const std::string& path, const std::string& user, bool erase) {
  if (const std::string why = whyNotUser(user); !why.empty()) return general("the user name " + why);
  if (erase) return change(path, user, std::nullopt);
  auto hash = newHash();
  if (!hash) return hash.error();
  return change(path, user, *hash);
}

}  // namespace

int runPasswdCommand(const std::vector<std::string>& arguments) {
  if (arguments.size() == 1 && (arguments[0] == "--help" || arguments[0] == "-h")) {
    std::cout
        << usage
        << "Makes or changes a user of a password file, or deletes one (-D). The password is asked for\n"
           "on the terminal, or read from the first line of standard input.\n";
    return 0;
  }
  const bool erase = !arguments.empty() && arguments[0] == "-D";
  const std::size_t first = erase ? 1 : 0;
  if (arguments.size() != first + 2) {
    std::cerr << usage;
    return 2;
  }
  if (const auto done = perform(arguments[first], arguments[first + 1], erase); !done) {
    std::cerr << "crossgate passwd: " << done.error().detail << '\n';
    return 1;
  }
  return 0;
}

}  // namespace crossgate
