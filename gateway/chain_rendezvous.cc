// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/chain_rendezvous.h"

namespace crossgate {

Task<Result<Connection>> ChainRendezvous::peer(Deadline deadline) {
  talk_.expectSecondReply();
  const HopTalk::Patience patience{deadline, deadline};
  const auto reply = co_await talk_.converse(*stream_, patience);
  if (!reply) {
    const bool late = reply.error().failure == Failure::timedOut;
    // That the hop has left is not the client's leaving.
    co_return Error{late ? Failure::timedOut : Failure::general, "the last hop: " + reply.error().detail};
  }
  if (reply->code != socks5::ReplyCode::succeeded)
    co_return Error{socks5::failureOf(reply->code), "told by the last hop"};
  const IpAddress* peer = reply->bound.address();
  const IpAddress* ours = place_.address();
  co_return Connection{std::move(stream_),
                       {peer != nullptr ? *peer : IpAddress(), reply->bound.port},
                       {ours != nullptr ? *ours : IpAddress(), place_.port}};
}

}  // namespace crossgate
