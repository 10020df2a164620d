// SPDX-License-Identifier: BSD-2-Clause
// Runs a piece of work for a client only as long as the client is there: a client that leaves while
// we resolve or dial stops that work at once.
#pragma once

#include "gateway/stream.h"

namespace crossgate {

/// Returns once the client has left.  What the client sends meanwhile is kept in the inbox, up to
/// `limit` octets; beyond that it is left in the socket.
Task<void> peerLeaves(Stream& client, Inbox& inbox, std::size_t limit = 64 * 1024);

/// The result of `work`, or Failure::peerGone when the client left first; `work` is cancelled then.
template <class T>
Task<Result<T>> unlessPeerLeaves(Stream& client, Inbox& inbox, Task<Result<T>> work) {
  Signal changed(client.socket().loop());
  const auto notify = [](void* signal) noexcept { static_cast<Signal*>(signal)->notify(); };
  work.start(notify, &changed);
  if (work.done()) co_return std::move(work.result());
  Task<void> watch = peerLeaves(client, inbox);
  watch.start(notify, &changed);
  while (!work.done() && !watch.done()) co_await changed.wait(never);
  if (work.done()) co_return std::move(work.result());
  co_return Error{Failure::peerGone, "the client left"};
}

}  // namespace crossgate
