// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/masters_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <new>

namespace crossgate {
namespace {

// Whole pages of the kernel's.
class Pages final : public std::pmr::memory_resource {
  static std::size_t whole(std::size_t size) noexcept {
    static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return (size + page - 1) / page * page;
  }
  void* do_allocate(std::size_t size, std::size_t) override {
    void* const pages = mmap(nullptr, whole(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    (void)madvise(pages, whole(size), MADV_DONTFORK);
    return pages;
  }
  void do_deallocate(void* pages, std::size_t size, std::size_t) override { munmap(pages, whole(size)); }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace

std::pmr::memory_resource& mastersMemory() {
  static Pages pages;
  static std::pmr::unsynchronized_pool_resource pool(&pages);
  return pool;
}

}  // namespace crossgate
