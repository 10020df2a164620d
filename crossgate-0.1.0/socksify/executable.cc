// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/executable.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "socksify/gateway_link.h"
#include "socksify/real.h"

namespace crossgate::socksify {
namespace {

constexpr int maxInterpreters = 4;  // as deep as the kernel follows #!

class File {
 public:
  explicit File(const char* path) noexcept : fd_(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~File() {
    if (fd_ >= 0) real().close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  template <class T>
  bool read(T& into, std::uint64_t offset) const noexcept {
    return ::pread(fd_, &into, sizeof into, static_cast<off_t>(offset)) == static_cast<ssize_t>(sizeof into);
  }
  std::string text(std::size_t most, std::uint64_t offset) const {
    std::string octets(most, '\0');
    const ssize_t got = ::pread(fd_, octets.data(), most, static_cast<off_t>(offset));
    octets.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return octets;
  }
  bool status(struct stat& status) const noexcept { return fd_ >= 0 && ::fstat(fd_, &status) == 0; }
  bool hasCapabilities() const noexcept { return ::fgetxattr(fd_, "security.capability", nullptr, 0) > 0; }

 private:
  int fd_;
};

// The dynamic linker ignores LD_PRELOAD for a program that gains rights.
bool gainsRights(const File& file, const struct stat& status) noexcept {
  if ((status.st_mode & S_ISUID) != 0 && status.st_uid != ::getuid()) return true;
  if ((status.st_mode & S_ISGID) != 0 && (status.st_mode & S_IXGRP) != 0 && status.st_gid != ::getgid())
    return true;
  return ::getuid() != 0 && file.hasCapabilities();
}

// Go's runtime makes its own system calls, also in a program that is linked dynamically.
bool isGoNote(const File& file, const ElfW(Phdr) & segment) {
  const std::string note = file.text(16, segment.p_offset);
  return note.size() == 16 && std::string_view(note).substr(12) == std::string_view("Go\0\0", 4);
}

std::string whyNotElf(const File& file, const ElfW(Ehdr) & header) {
  ElfW(Ehdr) own;
  if (const File self("/proc/self/exe"); self.read(own, 0)) {
    if (own.e_ident[EI_CLASS] != header.e_ident[EI_CLASS] || own.e_machine != header.e_machine) {
      return "is made for another machine than the Socks Lib";
    }
  }
  bool interpreted = false;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    ElfW(Phdr) segment;
    if (!file.read(segment, header.e_phoff + std::uint64_t{i} * header.e_phentsize)) break;
    if (segment.p_type == PT_INTERP) interpreted = true;
    if (segment.p_type == PT_NOTE && isGoNote(file, segment)) {
      return "is a Go program, which makes its system calls without the C library";
    }
  }
  return interpreted ? "" : "is statically linked";
}

std::string interpreterOf(const std::string& firstLine) {
  const auto start = firstLine.find_first_not_of(" \t", 2);
  if (start == firstLine.npos) return {};
  return firstLine.substr(start, firstLine.find_first_of(" \t\n", start) - start);
}

}  // namespace

std::string whyNotSocksifiable(const std::string& path) {
  std::string current = path;
  for (int depth = 0; depth <= maxInterpreters; ++depth) {
    const File file(current.c_str());
    struct stat status {};
    if (!file.status(status) || !S_ISREG(status.st_mode)) return {};
    // A program that is not readable may still be run, but then nobody can tell what it is.
    if (const std::string line = file.text(256, 0); line.starts_with("#!")) {
      current = interpreterOf(line);
      continue;
    }
    const std::string which = current == path ? std::string() : "runs " + current + ", which ";
    if (gainsRights(file, status)) return which + "gains rights (setuid, setgid or capabilities)";
    ElfW(Ehdr) header;
    if (!file.read(header, 0) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return {};
    const std::string why = whyNotElf(file, header);
    return why.empty() ? why : which + why;
  }
  return {};
}

std::string findProgram(const std::string& name, const char* searchPath) {
  if (name.find('/') != name.npos) return name;
  std::string_view rest = searchPath == nullptr ? "/usr/local/bin:/usr/bin:/bin" : searchPath;
  for (bool more = true; more;) {
    const auto end = std::min(rest.find(':'), rest.size());
    more = end < rest.size();
    std::string path(rest.substr(0, end));
    rest.remove_prefix(more ? end + 1 : end);
    path = (path.empty() ? "." : path) + "/" + name;
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0)
      return path;
  }
  return {};
}

}  // namespace crossgate::socksify
