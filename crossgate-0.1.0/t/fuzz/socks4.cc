// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes SOCKS4 and SOCKS4A, both ways.
#include "lib/socks4.h"

#include "t/fuzz/Fuzz.h"

using namespace crossgate;

namespace {

// A request that is longer than this without being complete must have been refused.
constexpr std::size_t longestRequest = 8 + socks4::maxUserOctets + 1 + maxNameOctets + 1;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const OctetSpan input(data, size);
  // A name is marked by any of 0.0.0.1 to 0.0.0.255, and a literal sent as a name becomes an address.
  const auto isCanonical = [](const socks4::Request& request, OctetSpan octets) {
    const bool marked = octets[4] == 0 && octets[5] == 0 && octets[6] == 0 && octets[7] != 0;
    return !marked || (octets[7] == 1 && request.destination.name() != nullptr);
  };
  fuzz::checkDecoder<socks4::Request>(socks4::decodeRequest, input, isCanonical);
  Reader reader(input);
  if (const auto request = socks4::decodeRequest(reader); size > longestRequest) ensure(!request || *request);

  fuzz::checkDecoder<socks4::Reply>(socks4::decodeReply, input,
                                    [](const auto&, OctetSpan octets) { return octets[0] == 0; });
  return 0;
}
