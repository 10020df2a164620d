// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/negotiate.h"

#include <algorithm>

namespace crossgate {

Task<Result<Negotiated>> negotiate(Stream& client, Inbox& inbox, std::span<const socks5::Method> acceptable,
                                   Deadline deadline) {
  const auto greeting = co_await receive(client, inbox, socks5::decodeGreeting, deadline);
  if (!greeting) co_return greeting.error();

  const auto& offered = greeting->methods;
  const auto chosen = std::find_if(acceptable.begin(), acceptable.end(), [&](socks5::Method method) {
    return std::find(offered.begin(), offered.end(), method) != offered.end();
  });
  const socks5::Method method = chosen != acceptable.end() ? *chosen : socks5::Method::noAcceptable;
  Octets answer;
  encode(socks5::MethodSelection{method}, answer);
  if (const auto sent = co_await writeAll(client, answer, deadline); !sent) co_return sent.error();
  if (method == socks5::Method::noAcceptable) {
    co_return Error{Failure::denied, "the client offers no method that it may use"};
  }
  co_return Negotiated{method, passedGateways(*greeting)};
}

}  // namespace crossgate
