// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/pid_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>

namespace crossgate {
namespace {

constexpr mode_t readableByAll = 0644;

pid_t readPid(int fd) {
  char text[24];
  const ssize_t size = pread(fd, text, sizeof text, 0);
  pid_t pid = 0;
  if (size > 0) std::from_chars(text, text + size, pid);
  return pid;
}

// True when the path still leads to the open file.
bool isAt(const std::string& path, int fd) {
  struct stat open {}, there {};
  return fstat(fd, &open) == 0 && stat(path.c_str(), &there) == 0 && open.st_dev == there.st_dev &&
         open.st_ino == there.st_ino;
}

Error failed(const std::string& path) { return systemError(path.c_str(), errno); }

}  // namespace

Result<PidFile> PidFile::acquire(const std::string& given, Fd handed) {
  // A daemon leaves the folder that a relative path means.
  std::error_code unknown;
  const std::string path = std::filesystem::absolute(given, unknown).string();
  if (handed && isAt(path, handed.get())) return PidFile(path, std::move(handed), 0);
  for (;;) {
    Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, readableByAll));
    if (!fd) return failed(path);
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return failed(path);
      const pid_t other = readPid(fd.get());
      return Error{Failure::denied, path + ": crossgate runs already" +
                                        (other > 0 ? ", as process " + std::to_string(other) : "")};
    }
    // Whoever had it may have removed it between the two calls.
    if (isAt(path, fd.get())) return PidFile(path, std::move(fd), getpid());
  }
}

PidFile::~PidFile() {
  if (fd_ && owner_ == getpid() && isAt(path_, fd_.get())) unlink(path_.c_str());
}

Result<void> PidFile::write() {
  const std::string text = std::to_string(getpid()) + "\n";
  // The umask of whoever starts us is no reason to hide it.
  if (fchmod(fd_.get(), readableByAll) != 0 || ftruncate(fd_.get(), 0) != 0 ||
      pwrite(fd_.get(), text.data(), text.size(), 0) < 0) {
    return failed(path_);
  }
  owner_ = getpid();
  return {};
}

void PidFile::touch() const noexcept { (void)futimens(fd_.get(), nullptr); }

std::optional<pid_t> PidFile::holder(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd || flock(fd.get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return std::nullopt;
  const pid_t pid = readPid(fd.get());
  return pid > 0 ? std::optional(pid) : std::nullopt;
}

}  // namespace crossgate
