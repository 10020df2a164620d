// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/gss_conversation.h"

namespace crossgate {
namespace {

using socks5::GssFrame;
using socks5::GssMessage;

constexpr std::size_t largestFrame = 4 + 65535;
constexpr std::chrono::milliseconds queuePause{10};
constexpr std::chrono::seconds farewellTime{2};

// The frame is encoded before the coroutine begins: g++ 12 destroys an aggregate that is made within
// a co_await expression twice.
Task<Result<void>> sendOctets(Stream& peer, Octets octets, Deadline deadline) {
  co_return co_await writeAll(peer, octets, deadline);
}

}  // namespace

Task<Result<std::unique_ptr<Socket>>> GssDesk::open(Deadline deadline) {
  for (;;) {
    auto channel = beginGss(questions_);
    if (channel) co_return std::make_unique<Socket>(loop_, *std::move(channel));
    const bool queueFull = channel.error().failure == Failure::exhausted;
    if (!queueFull || Clock::now() >= deadline) co_return channel.error();
    co_await Sleep(loop_, in(queuePause));
  }
}

Task<Result<GssAnswer>> askGssHelper(Socket& helper, OctetSpan token, Deadline deadline) {
  // Its end is not the peer's (Failure::peerGone).
  const auto failed = [](const Error& error) {
    return Error{Failure::general, "the GSSAPI helper: " + error.detail};
  };
  if (auto sent = sendGssToken(helper.fd(), token); !sent) co_return failed(sent.error());
  for (;;) {
    auto answer = receiveGssAnswer(helper.fd());
    if (!answer) co_return failed(answer.error());
    if (answer->has_value()) co_return std::move(**answer);
    helper.blockedReading();
    if (co_await helper.readable(deadline) == Wake::timedOut) {
      co_return Error{Failure::timedOut, "the GSSAPI helper gave no answer in time"};
    }
  }
}

Task<Result<void>> sendGssFrame(Stream& peer, GssMessage type, Octets token, Deadline deadline) {
  Octets octets;
  encode(GssFrame{type, std::move(token)}, octets);
  return sendOctets(peer, std::move(octets), deadline);
}

Task<Result<Octets>> receiveGssFrame(Stream& peer, Inbox& inbox, GssMessage type, Deadline deadline) {
  auto frame = co_await receive(peer, inbox, socks5::decodeGssFrame, deadline, largestFrame);
  if (!frame) co_return frame.error();
  if (frame->type == GssMessage::abort) co_return Error{Failure::denied, "GSSAPI: the peer gave it up"};
  if (frame->type != type) co_return malformed("a GSSAPI frame out of turn");
  co_return std::move(frame->token);
}

Task<void> abortGss(Stream& peer) {
  (void)co_await sendGssFrame(peer, GssMessage::abort, Octets(), in(farewellTime));
}

}  // namespace crossgate
