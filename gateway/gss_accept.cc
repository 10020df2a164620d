// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/gss_accept.h"

#include <algorithm>

#include "gateway/gss_context.h"
#include "gateway/gss_protocol.h"
#include "lib/socks5.h"

namespace crossgate {
namespace {

using socks5::GssFrame;
using socks5::GssMessage;

constexpr std::size_t largestFrame = 4 + 65535;
constexpr std::chrono::milliseconds queuePause{10};

// The frame is encoded before the coroutine begins: g++ 12 destroys an aggregate that is made within
// a co_await expression twice.
Task<Result<void>> sendOctets(Stream& client, Octets octets, Deadline deadline) {
  co_return co_await writeAll(client, octets, deadline);
}

Task<Result<void>> send(Stream& client, GssMessage type, Octets token, Deadline deadline) {
  Octets octets;
  encode(GssFrame{type, std::move(token)}, octets);
  return sendOctets(client, std::move(octets), deadline);
}

Task<Result<Octets>> receiveToken(Stream& client, Inbox& inbox, GssMessage type, Deadline deadline) {
  auto frame = co_await receive(client, inbox, socks5::decodeGssFrame, deadline, largestFrame);
  if (!frame) co_return frame.error();
  if (frame->type == GssMessage::abort) co_return Error{Failure::denied, "the client gave GSSAPI up"};
  if (frame->type != type) co_return malformed("a GSSAPI frame out of turn");
  co_return std::move(frame->token);
}

Task<Result<GssAnswer>> ask(Socket& helper, OctetSpan token, Deadline deadline) {
  if (auto sent = sendGssToken(helper.fd(), token); !sent) co_return sent.error();
  for (;;) {
    auto answer = receiveGssAnswer(helper.fd());
    if (!answer) co_return Error{Failure::general, "the GSSAPI helper: " + answer.error().detail};
    if (answer->has_value()) co_return std::move(**answer);
    helper.blockedReading();
    if (co_await helper.readable(deadline) == Wake::timedOut) {
      co_return Error{Failure::timedOut, "the GSSAPI helper gave no answer in time"};
    }
  }
}

// RFC 1961, section 3.
Task<Result<GssAnswer>> establish(GssDesk& desk, Stream& client, Inbox& inbox, Deadline deadline) {
  const auto helper = co_await desk.open(deadline);
  if (!helper) co_return helper.error();
  for (;;) {
    const auto token = co_await receiveToken(client, inbox, GssMessage::token, deadline);
    if (!token) co_return token.error();
    auto answer = co_await ask(**helper, *token, deadline);
    if (!answer) co_return answer.error();
    if (answer->kind == GssAnswer::Kind::failed) co_return Error{Failure::denied, answer->reason};
    // Without mutual authentication the last step has no token, and the client waits for none.
    if (!answer->token.empty()) {
      const auto sent = co_await send(client, GssMessage::token, std::move(answer->token), deadline);
      if (!sent) co_return sent.error();
    }
    if (answer->kind == GssAnswer::Kind::complete) co_return answer;
  }
}

// RFC 1961, section 4: one octet, wrapped without encryption on both ways; the NEC reference sends it bare.
Task<Result<GssLevel>> agree(const GssContext& context, Stream& client, Inbox& inbox, const GssConfig& config,
                             Deadline deadline) {
  auto wish = co_await receiveToken(client, inbox, GssMessage::protection, deadline);
  if (!wish) co_return wish.error();
  const bool bare = config.nec && wish->size() == 1;
  if (!bare) {
    auto unwrapped = context.unwrap(*wish, GssSeal::Order::strict);
    if (!unwrapped) co_return unwrapped.error();
    *wish = std::move(unwrapped->message);
  }
  if (wish->size() != 1)
    co_return malformed("a GSSAPI protection level of " + std::to_string(wish->size()) + " octets");

  auto allowed = config.levels;
  if (!context.confidential()) std::erase(allowed, GssLevel::confidentiality);
  const auto level = agreeOn(wish->front(), allowed);
  if (!level) co_return Error{Failure::denied, "GSSAPI: the client wants less protection than it must have"};
  Octets answer{static_cast<std::uint8_t>(*level)};
  if (!bare) {
    auto wrapped = context.wrap(answer, false);
    if (!wrapped) co_return wrapped.error();
    answer = *std::move(wrapped);
  }
  const auto sent = co_await send(client, GssMessage::protection, std::move(answer), deadline);
  if (!sent) co_return sent.error();
  co_return *level;
}

Task<Result<GssSession>> converse(GssDesk& desk, Stream& client, Inbox& inbox, const GssConfig& config,
                                  Deadline deadline) {
  auto established = co_await establish(desk, client, inbox, deadline);
  if (!established) co_return established.error();
  auto context = GssContext::import(established->context, established->confidential);
  if (!context) co_return context.error();
  const auto level = co_await agree(*context, client, inbox, config, deadline);
  if (!level) co_return level.error();
  GssSession session{std::move(established->user), *level, nullptr};
  if (*level != GssLevel::none) session.seal = makeSeal(*std::move(context), *level);
  co_return session;
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

Task<Result<GssSession>> acceptGss(GssDesk& desk, Stream& client, Inbox& inbox, const GssConfig& config,
                                   Deadline deadline) {
  auto session = co_await converse(desk, client, inbox, config, deadline);
  if (session || session.error().failure == Failure::peerGone) co_return session;
  (void)co_await send(client, GssMessage::abort, Octets(), in(std::chrono::seconds(2)));
  co_return session;
}

}  // namespace crossgate
