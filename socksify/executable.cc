// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/executable.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>

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
  template <std::size_t N>
  std::string_view text(char (&into)[N], std::uint64_t offset) const noexcept {
    const ssize_t got = ::pread(fd_, into, N, static_cast<off_t>(offset));
    return {into, got > 0 ? static_cast<std::size_t>(got) : 0};
  }
  bool isOpen() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

// The dynamic linker ignores LD_PRELOAD where the rights of the process are not those of its user.  This is
// told without reading: a program may be run by those who may not read it.
bool gainsRights(const char* path, const struct stat& status) noexcept {
  const bool setUid = (status.st_mode & S_ISUID) != 0;
  const bool setGid = (status.st_mode & S_ISGID) != 0 && (status.st_mode & S_IXGRP) != 0;
  if ((setUid ? status.st_uid : ::geteuid()) != ::getuid()) return true;
  if ((setGid ? status.st_gid : ::getegid()) != ::getgid()) return true;
  return ::getuid() != 0 && ::getxattr(path, "security.capability", nullptr, 0) > 0;
}

constexpr std::size_t roundedUp(std::size_t octets) noexcept { return (octets + 3) & ~std::size_t{3}; }

// Go's own linker writes a note with its name; the C compiler's linker may put others before it.
bool hasGoNote(const File& file, const ElfW(Phdr) & segment) noexcept {
  constexpr std::string_view go("Go\0\0", 4);
  char octets[1024];
  std::string_view notes = file.text(octets, segment.p_offset).substr(0, segment.p_filesz);
  while (notes.size() >= sizeof(ElfW(Nhdr)) + go.size()) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes.data(), sizeof note);
    if (note.n_namesz == go.size() && notes.substr(sizeof note, go.size()) == go) return true;
    notes.remove_prefix(std::min(
        notes.size(), sizeof note + roundedUp(note.n_namesz) + roundedUp(note.n_descsz)));
  }
  return false;
}

// The table that Go's runtime finds its functions by; also in a program that is only partly written in Go.
bool hasGoSection(const File& file, const ElfW(Ehdr) & header) noexcept {
  ElfW(Shdr) names;
  if (header.e_shoff == 0 ||
      !file.read(names, header.e_shoff + std::uint64_t{header.e_shstrndx} * header.e_shentsize))
    return false;
  char octets[4096];
  return file.text(octets, names.sh_offset).substr(0, names.sh_size).find("gopclntab") != std::string_view::npos;
}

Obstacle obstacleInElf(const File& file, const ElfW(Ehdr) & header) noexcept {
  ElfW(Ehdr) own;
  if (const File self("/proc/self/exe"); self.read(own, 0)) {
    if (own.e_ident[EI_CLASS] != header.e_ident[EI_CLASS] || own.e_machine != header.e_machine)
      return Obstacle::otherMachine;
  }
  bool interpreted = false;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    ElfW(Phdr) segment;
    if (!file.read(segment, header.e_phoff + std::uint64_t{i} * header.e_phentsize)) break;
    if (segment.p_type == PT_INTERP) interpreted = true;
    if (segment.p_type == PT_NOTE && hasGoNote(file, segment)) return Obstacle::go;
  }
  // Nor would anybody look at what the dynamic linker runs when it is called as a program.
  if (!interpreted) return Obstacle::isStatic;
  // Go's runtime makes its own system calls, also in a program that is linked dynamically.
  return hasGoSection(file, header) ? Obstacle::go : Obstacle::none;
}

std::string_view interpreterOf(std::string_view firstLine) noexcept {
  const auto start = firstLine.find_first_not_of(" \t", 2);
  if (start == firstLine.npos) return {};
  return firstLine.substr(start, firstLine.find_first_of(" \t\n", start) - start);
}

}  // namespace

const char* describe(Obstacle obstacle) noexcept {
  switch (obstacle) {
    case Obstacle::none: return "can be socksified";
    case Obstacle::gainsRights: return "gains rights (setuid, setgid or capabilities)";
    case Obstacle::unreadable: return "can be run but not read, so that nobody can tell what it is";
    case Obstacle::otherMachine: return "is made for another machine than the Socks Lib";
    case Obstacle::go: return "is a Go program, which makes its system calls without the C library";
    case Obstacle::isStatic: return "is statically linked, or the dynamic linker itself";
    case Obstacle::lacksLibrary:
      return "would not find the Socks Lib, whose path leads nowhere (in a chroot or a container)";
  }
  return "";
}

void inspect(const char* path, Program& program) noexcept {
  std::snprintf(program.path, sizeof program.path, "%s", path);
  for (int depth = 0; depth <= maxInterpreters; ++depth) {
    struct stat status {};
    if (::stat(program.path, &status) != 0 || !S_ISREG(status.st_mode)) return;
    const File file(program.path);
    char start[256];
    if (const std::string_view line = file.text(start, 0); line.starts_with("#!")) {
      const std::string_view interpreter = interpreterOf(line);
      std::snprintf(program.path, sizeof program.path, "%.*s", static_cast<int>(interpreter.size()),
                    interpreter.data());
      continue;
    }
    ElfW(Ehdr) header;
    if (gainsRights(program.path, status)) {
      program.obstacle = Obstacle::gainsRights;
    } else if (!file.isOpen()) {
      if (::faccessat(AT_FDCWD, program.path, X_OK, AT_EACCESS) == 0) program.obstacle = Obstacle::unreadable;
    } else if (file.read(header, 0) && std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0) {
      program.obstacle = obstacleInElf(file, header);
    }
    return;
  }
}

bool findProgram(const char* name, const char* searchPath, char (&path)[PATH_MAX],
                 const char* folder) noexcept {
  std::snprintf(path, sizeof path, "%s", name);
  if (std::strchr(name, '/') != nullptr) return true;
  std::string_view rest = searchPath == nullptr ? "/bin:/usr/bin" : searchPath;
  for (bool more = true; more;) {
    const auto end = std::min(rest.find(':'), rest.size());
    more = end < rest.size();
    const std::string_view place = end == 0 ? "." : rest.substr(0, end);
    std::snprintf(path, sizeof path, "%s%.*s/%s", place.starts_with('/') ? "" : folder,
                  static_cast<int>(place.size()), place.data(), name);
    rest.remove_prefix(more ? end + 1 : end);
    struct stat status {};
    if (::stat(path, &status) == 0 && S_ISREG(status.st_mode) && ::access(path, X_OK) == 0) return true;
  }
  return false;
}

}  // namespace crossgate::socksify
