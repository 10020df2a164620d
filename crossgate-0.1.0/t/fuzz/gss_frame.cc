// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the frames of the GSSAPI method (RFC 1961), one after the other as a stream has them.
#include "lib/socks5.h"
#include "t/fuzz/Fuzz.h"

using namespace crossgate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  OctetSpan rest(data, size);
  while (const auto frame =
             fuzz::checkDecoder<socks5::GssFrame>(socks5::decodeGssFrame, rest, fuzz::always)) {
    ensure(frame->type != socks5::GssMessage::abort || frame->token.empty());
    rest = rest.subspan(fuzz::encoded(*frame).size());
  }
  return 0;
}
