// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/proxy_header.h"

#include <algorithm>
#include <array>

#include "gateway/phrase.h"

namespace crossgate {
namespace {

constexpr std::size_t longestLine = 107;  // version 1, with its CR and LF
constexpr std::array<std::uint8_t, 12> signature{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

using Header = Decoded<ProxyHeader>;

Header complete(std::optional<Endpoint> client) { return std::optional(ProxyHeader{client}); }
Header incomplete() { return std::optional<ProxyHeader>{}; }

// "PROXY TCP4 192.0.2.1 198.51.100.1 50000 1080"
Header parseLine(std::string_view line) {
  const std::vector<std::string> words = splitList(line, ' ');
  if (words.size() < 2 || words[0] != "PROXY") return malformed("PROXY: a line that is none");
  if (words[1] == "UNKNOWN") return complete(std::nullopt);
  const bool v4 = words[1] == "TCP4";
  if (words.size() != 6 || (!v4 && words[1] != "TCP6")) return malformed("PROXY: a protocol that is none");
  const auto source = IpAddress::parse(words[2]);
  const auto destination = IpAddress::parse(words[3]);
  const auto port = parsePort(words[4]);
  if (!source || !destination || !port || !parsePort(words[5]) || source->isV4() != v4 ||
      destination->isV4() != v4) {
    return malformed("PROXY: addresses or ports that make no sense");
  }
  return complete(Endpoint{*source, *port});
}

// The first LF ends the line: one that stood alone would leave what follows it to be taken for SOCKS.
Header decodeLine(Reader& in) {
  Reader ahead = in;
  const OctetSpan there = ahead.take(std::min(in.remaining(), longestLine));
  const std::string_view text = textOf(there);
  constexpr std::string_view head = "PROXY ";
  if (text.substr(0, head.size()) != head.substr(0, text.size())) return malformed("PROXY: no header");
  const std::size_t end = text.find('\n');
  if (end == text.npos && there.size() < longestLine) return incomplete();
  if (end == text.npos || text[end - 1] != '\r') return malformed("PROXY: a line without an end");
  (void)in.take(end + 1);
  return parseLine(text.substr(0, end - 1));
}

Header decodeBinary(Reader& in) {
  constexpr std::uint8_t local = 0x20, proxied = 0x21, tcp4 = 0x11, tcp6 = 0x21;
  (void)in.take(signature.size());
  const std::uint8_t command = in.u8();
  const std::uint8_t family = in.u8();
  const std::uint16_t length = in.u16();
  if (!in.ok()) return incomplete();
  if (command != local && command != proxied) return malformed("PROXY: a version or command that is none");
  if (length > longestProxyHeader - signature.size() - 4)
    return malformed("PROXY: a header that is too long");
  Reader addresses(in.take(length));
  if (!in.ok()) return incomplete();
  if (command == local || (family != tcp4 && family != tcp6)) return complete(std::nullopt);
  const std::size_t size = family == tcp4 ? 4 : 16;
  const OctetSpan source = addresses.take(size);
  (void)addresses.take(size);
  const std::uint16_t port = addresses.u16();
  (void)addresses.u16();
  if (!addresses.ok()) return malformed("PROXY: addresses that are cut short");
  const IpAddress address = size == 4 ? IpAddress::v4(source.first<4>()) : IpAddress::v6(source.first<16>());
  return complete(Endpoint{address, port});
}

}  // namespace

Header decodeProxyHeader(Reader& in) {
  Reader copy = in;
  Reader whole = in;
  const OctetSpan all = whole.rest();
  if (all.empty()) return incomplete();
  const std::size_t there = std::min(all.size(), signature.size());
  const bool binary = all[0] == signature[0];
  if (binary &&
      !std::equal(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(there), signature.begin())) {
    return malformed("PROXY: no header");
  }
  Header header = binary ? decodeBinary(copy) : decodeLine(copy);
  if (header && header->has_value()) in = copy;
  return header;
}

}  // namespace crossgate
