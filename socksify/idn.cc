// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/idn.h"

#include <dlfcn.h>
#include <netdb.h>

#include <algorithm>

namespace crossgate::socksify {
namespace {

constexpr int noMemory = -100;  // IDN2_MALLOC

// What we call of libidn2 (its ABI 0); null pointers without it.
struct Library {
  using Convert = int (*)(const char* from, char** to, int flags);
  Convert lookUp = nullptr;
  Convert toUnicode = nullptr;
  void (*free)(void*) = nullptr;

  Library() noexcept {
    void* handle = ::dlopen("libidn2.so.0", RTLD_LAZY | RTLD_LOCAL);
    if (handle == nullptr) return;
    lookUp = reinterpret_cast<Convert>(::dlsym(handle, "idn2_lookup_ul"));
    toUnicode = reinterpret_cast<Convert>(::dlsym(handle, "idn2_to_unicode_lzlz"));
    free = reinterpret_cast<void (*)(void*)>(::dlsym(handle, "idn2_free"));
  }
};

const Library& library() noexcept {
  static const Library loaded;
  return loaded;
}

int convert(Library::Convert function, const char* from, std::string& to) noexcept {
  if (function == nullptr || library().free == nullptr) return EAI_IDN_ENCODE;
  char* converted = nullptr;
  const int code = function(from, &converted, 0);
  if (code != 0) return code == noMemory ? EAI_MEMORY : EAI_IDN_ENCODE;
  to = converted;
  library().free(converted);
  return 0;
}

bool isAscii(const std::string& name) noexcept {
  return std::all_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x80; });
}

}  // namespace

int toAscii(const char* name, std::string& ascii) noexcept {
  ascii = name;
  return isAscii(ascii) ? 0 : convert(library().lookUp, name, ascii);
}

std::string fromAscii(const std::string& name) noexcept {
  std::string shown;
  if (name.find("xn--") == name.npos || convert(library().toUnicode, name.c_str(), shown) != 0) return name;
  return shown;
}

}  // namespace crossgate::socksify
