// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the header that a load balancer sends first, both versions.
#include "gateway/proxy_header.h"
#include "t/fuzz/Fuzz.h"

using namespace crossgate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const OctetSpan input(data, size);
  Reader reader(input);
  const auto header = decodeProxyHeader(reader);
  const std::size_t taken = reader.position();
  if (!header || !*header) {
    ensure(taken == 0);
    return 0;
  }
  // The octets taken are the header, whatever follows them, and no part of them is one.
  ensure(taken <= size && taken <= longestProxyHeader);
  Reader exact(input.first(taken));
  const auto again = decodeProxyHeader(exact);
  ensure(again && *again && exact.position() == taken && (*again)->client == (*header)->client);
  for (std::size_t shorter = 0; shorter < taken; ++shorter) {
    Reader prefix(input.first(shorter));
    const auto part = decodeProxyHeader(prefix);
    ensure(part && !*part && prefix.position() == 0);
  }
  return 0;
}
