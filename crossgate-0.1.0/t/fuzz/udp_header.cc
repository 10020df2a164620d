// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the header of an association's datagrams (RFC 1928, section 7).
#include "lib/socks5.h"
#include "t/fuzz/Fuzz.h"

using namespace crossgate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const OctetSpan datagram(data, size);
  Reader reader(datagram);
  const auto header = socks5::decodeUdpHeader(reader);
  if (!header) {
    ensure(reader.position() == 0);
    return 0;
  }
  const std::size_t taken = reader.position();
  ensure(taken + reader.remaining() == size);
  for (std::size_t shorter = 0; shorter < taken; ++shorter) {
    Reader prefix(datagram.first(shorter));
    ensure(!socks5::decodeUdpHeader(prefix) && prefix.position() == 0);
  }
  const Octets out = fuzz::encoded(*header);
  ensure(out.size() == socks5::encodedSize(*header));
  const bool literalAsName = data[3] == 3 && header->destination.name() == nullptr;
  if (!literalAsName) ensure(out == Octets(data, data + taken));
  return 0;
}
