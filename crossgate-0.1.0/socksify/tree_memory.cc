// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/tree_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "socksify/real.h"

namespace crossgate::socksify {
namespace {

bool isOurs(int fd) noexcept {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == ::geteuid() &&
         (status.st_mode & 07777) == (S_IRUSR | S_IWUSR) && status.st_size == sizeof(TreeMemory);
}

void* mapFile(const char* path) noexcept {
  const int fd = ::open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return MAP_FAILED;
  void* memory = isOurs(fd) ? ::mmap(nullptr, sizeof(TreeMemory), PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_NORESERVE, fd, 0)
                            : MAP_FAILED;
  real().close(fd);
  return memory;
}

}  // namespace

TreeMemory* TreeMemory::open(const char* path) noexcept {
  if (path != nullptr && path[0] == '/') {
    if (void* memory = mapFile(path); memory != MAP_FAILED) {
      auto* tree = static_cast<TreeMemory*>(memory);
      if (tree->layout.load() == currentLayout) return tree;
      ::munmap(memory, sizeof(TreeMemory));
    }
  }
  void* memory = ::mmap(nullptr, sizeof(TreeMemory), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* tree = static_cast<TreeMemory*>(memory);
  tree->layout.store(currentLayout);
  return tree;
}

bool TreeMemory::create(const char* path) noexcept {
  const int fd = ::open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (fd < 0) return false;
  const std::uint64_t layout = currentLayout;
  // The mode again, because the umask may have taken the owner's bits.
  const bool made = ::fchmod(fd, S_IRUSR | S_IWUSR) == 0 && ::ftruncate(fd, sizeof(TreeMemory)) == 0 &&
                    ::pwrite(fd, &layout, sizeof layout, 0) == static_cast<ssize_t>(sizeof layout);
  const int failed = errno;
  real().close(fd);
  if (!made) ::unlink(path);
  errno = failed;
  return made;
}

}  // namespace crossgate::socksify
