// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the client's side of a conversation.  The first octet chooses the kind of client, the rest
// is what the server says.  The conversation is led twice, once with all octets that are asked for
// and once octet by octet: both must take as much and end alike.
#include "lib/socks_client.h"

#include <algorithm>

#include "t/fuzz/Fuzz.h"

using namespace crossgate;

namespace {

SocksClient makeClient(std::uint8_t kind) {
  SocksClient::Options options;
  socks5::Request request{socks5::Command::connect, Destination::of("192.0.2.1", 80)};
  options.dialect = SocksClient::Dialect{std::min<std::uint8_t>(kind & 3, 2)};
  options.pipeline = (kind & 0x10) != 0;
  if ((kind & 0x20) != 0) options.credentials = socks5::Credentials{"alice", "secret"};
  if ((kind & 0x40) != 0) request.command = socks5::Command::bind;
  auto client = SocksClient::create(std::move(options), std::move(request));
  ensure(client.has_value());
  return *std::move(client);
}

struct Ending {
  bool done = false;
  std::optional<Failure> error;
  Failure closed = Failure::general;
  std::size_t taken = 0, said = 0;
  Octets reply;

  bool operator==(const Ending&) const = default;
};

Ending converse(std::uint8_t kind, OctetSpan server, std::size_t atOnce) {
  SocksClient client = makeClient(kind);
  Ending ending;
  for (int replies = 0; replies < 2; ++replies) {
    while (!client.done()) {
      ensure(client.output().empty() != (client.wanted() == 0));
      if (!client.output().empty()) {
        const std::size_t size = std::min(atOnce, client.output().size());
        client.sent(size);
        ending.said += size;
        continue;
      }
      const std::size_t size = std::min({client.wanted(), atOnce, server.size()});
      if (size == 0) break;
      const auto result = client.received(server.first(size));
      server = server.subspan(size);
      ending.taken += size;
      if (!result) {
        ending.error = result.error().failure;
        return ending;
      }
    }
    if (!client.done()) break;
    ensure(client.wanted() == 0 && client.output().empty());
    encode(client.reply(), ending.reply);
    if ((kind & 0x40) == 0 || replies == 1 || client.reply().code != socks5::ReplyCode::succeeded) break;
    client.expectSecondReply();
    ensure(!client.done());
  }
  ending.done = client.done();
  ending.closed = client.closedEarly().failure;
  return ending;
}

// Method selection, status, and two replies by the longest name.
constexpr std::size_t longestConversation = 2 + 2 + 2 * (4 + 1 + 255 + 2);

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const OctetSpan server = OctetSpan(data, size).subspan(1);
  const Ending whole = converse(data[0], server, server.size() + 1024);
  ensure(whole == converse(data[0], server, 1));
  ensure(whole.taken <= longestConversation);
  ensure(whole.done || whole.error || whole.taken == server.size());
  return 0;
}
