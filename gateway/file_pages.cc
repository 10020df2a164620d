// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/file_pages.h"

#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <span>

namespace crossgate {
namespace {

// Relocation has written to read-only pages: they are no longer what the file says.
bool isRelocatedInPlace(const dl_phdr_info& object, std::span<const ElfW(Phdr)> segments) noexcept {
  for (const ElfW(Phdr)& segment : segments) {
    if (segment.p_type != PT_DYNAMIC) continue;
    for (const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + segment.p_vaddr);
         entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_TEXTREL) return true;
      if (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0) return true;
    }
  }
  return false;
}

struct Range {
  std::uintptr_t begin;
  std::size_t size;
};

int releaseObject(dl_phdr_info* object, std::size_t, void*) noexcept {
  const std::span segments(object->dlpi_phdr, object->dlpi_phnum);
  if (isRelocatedInPlace(*object, segments)) return 0;
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  // What tells the segments lies in one of them, and reading it would bring that back.
  std::array<Range, 8> files;
  std::size_t count = 0;
  for (const ElfW(Phdr)& segment : segments) {
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0 || count == files.size()) continue;
    const std::uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) / page * page;
    files[count++] = {begin, object->dlpi_addr + segment.p_vaddr + segment.p_memsz - begin};
  }
  for (std::size_t i = 0; i < count; ++i) {
    (void)madvise(reinterpret_cast<void*>(files[i].begin), files[i].size, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void releaseFilePages() noexcept { dl_iterate_phdr(&releaseObject, nullptr); }

}  // namespace crossgate
