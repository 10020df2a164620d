// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/destination_side.h"

namespace crossgate {

std::size_t frameHeaderSize(OctetSpan framed) noexcept {
  constexpr std::size_t fixed = 2 + 1 + 1 + 2;  // RSV, FRAG, ATYP, port
  if (framed.size() < fixed || framed[0] != 0 || framed[1] != 0) return 0;
  std::size_t size = fixed;
  switch (framed[3]) {
    case 1: size += 4; break;
    case 3: size += 1U + framed[4]; break;
    case 4: size += 16; break;
    default: return 0;
  }
  return size <= framed.size() ? size : 0;
}

}  // namespace crossgate
