// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes what an HTTP proxy answers to CONNECT.  The conversation is led twice, once with all octets that are asked
// for and once octet by octet: both must take as much and end alike, and take no octet behind the empty line.
#include "lib/http_connect.h"

#include <algorithm>

#include "t/fuzz/Fuzz.h"

using namespace crossgate;

namespace {

struct Ending {
  bool done = false;
  std::optional<Failure> error;
  socks5::ReplyCode code{};
  std::size_t taken = 0;

  bool operator==(const Ending&) const = default;
};

Ending converse(OctetSpan proxy, std::size_t atOnce) {
  auto client = HttpConnect::create({}, {socks5::Command::connect, Destination::of("192.0.2.1", 80)});
  ensure(client.has_value());
  client->sent(client->output().size());
  Ending ending;
  while (!client->done() && ending.taken < proxy.size()) {
    ensure(client->wanted() > 0);
    const std::size_t size = std::min({client->wanted(), atOnce, proxy.size() - ending.taken});
    const auto result = client->received(proxy.subspan(ending.taken, size));
    ending.taken += size;
    if (!result) {
      ending.error = result.error().failure;
      break;
    }
  }
  ending.done = client->done();
  if (!ending.error) ensure(ending.done == (client->wanted() == 0));
  if (ending.done) ending.code = client->reply().code;
  return ending;
}

bool endsHead(OctetSpan octets) {
  const std::string_view end = "\r\n\r\n";
  return octets.size() >= end.size() && std::equal(end.begin(), end.end(), octets.end() - 4);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const OctetSpan proxy(data, size);
  const Ending whole = converse(proxy, size + 1), single = converse(proxy, 1);
  ensure(whole.done == single.done && whole.error == single.error && whole.code == single.code);
  if (whole.done) ensure(whole.taken == single.taken && endsHead(proxy.first(whole.taken)));
  ensure(whole.taken <= HttpConnect::maxHeadOctets + 3);
  ensure(whole.done || whole.error || whole.taken == size);
  return 0;
}
