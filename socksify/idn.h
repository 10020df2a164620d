// SPDX-License-Identifier: BSD-2-Clause
// Names in other scripts than ASCII (AI_IDN, AI_CANONIDN, NI_IDN), by libidn2 as the C library does it: loaded
// when it is needed, and an error like the C library's own where it is not there.
#pragma once

#include <string>

namespace crossgate::socksify {

/// The name as it goes to the Gateway ("xn--..."), from the program's locale; plain ASCII as it is.  0, or
/// EAI_IDN_ENCODE, EAI_MEMORY.
int toAscii(const char* name, std::string& ascii) noexcept;
/// The other way round; a name that the locale has no characters for stays as it is.
std::string fromAscii(const std::string& name) noexcept;

}  // namespace crossgate::socksify
