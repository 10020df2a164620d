// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/unless_peer_leaves.h"

namespace crossgate {

Task<void> peerLeaves(Stream& client, Inbox& inbox, std::size_t limit) {
  for (;;) {
    const Result<std::size_t> count = co_await inbox.fill(client, never);
    if (!count) co_return;
    // The end of the stream behind octets that wait to be relayed is a half-close, not a farewell.
    if (*count == 0 && inbox.unread().empty()) co_return;
    if (*count == 0 || inbox.unread().size() >= limit) break;
  }
  // Nothing more to learn without reading: only the owner's cancellation ends this.
  co_await Sleep(client.socket().loop(), never);
}

}  // namespace crossgate
