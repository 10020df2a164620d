// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes what a server sends to a client: method selection, credentials status and reply.
#include "lib/socks5.h"
#include "t/fuzz/Fuzz.h"

using namespace crossgate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const OctetSpan input(data, size);
  fuzz::checkDecoder<socks5::MethodSelection>(socks5::decodeMethodSelection, input, fuzz::always);
  // Version 5 is let through there, and written as 1.
  fuzz::checkDecoder<socks5::CredentialsStatus>(socks5::decodeCredentialsStatus, input,
                                                [](const auto&, OctetSpan octets) { return octets[0] == 1; });
  const auto isCanonical = [](const socks5::Reply& reply, OctetSpan octets) {
    return octets[2] == 0 && (octets[3] != 3 || reply.bound.name() != nullptr);
  };
  const auto reply = fuzz::checkDecoder<socks5::Reply>(socks5::decodeReply, input, isCanonical);
  if (reply) ensure(socks5::replyCodeOf(socks5::failureOf(reply->code)) != socks5::ReplyCode::succeeded);
  return 0;
}
