// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/gss_accept.h"

#include <algorithm>

#include "gateway/gss_context.h"

namespace crossgate {
namespace {

using socks5::GssMessage;

// RFC 1961, section 3.
Task<Result<GssAnswer>> establish(GssDesk& desk, Stream& client, Inbox& inbox, Deadline deadline) {
  const auto helper = co_await desk.open(deadline);
  if (!helper) co_return helper.error();
  for (;;) {
    const auto token = co_await receiveGssFrame(client, inbox, GssMessage::token, deadline);
    if (!token) co_return token.error();
    auto answer = co_await askGssHelper(**helper, *token, deadline);
    if (!answer) co_return answer.error();
    if (answer->kind == GssAnswer::Kind::failed) co_return Error{Failure::denied, answer->reason};
    // Without mutual authentication the last step has no token, and the client waits for none.
    if (!answer->token.empty()) {
      const auto sent = co_await sendGssFrame(client, GssMessage::token, std::move(answer->token), deadline);
      if (!sent) co_return sent.error();
    }
    if (answer->kind == GssAnswer::Kind::complete) co_return answer;
  }
}

// RFC 1961, section 4: one octet, wrapped without encryption on both ways; the NEC reference sends it bare.
Task<Result<GssLevel>> agree(const GssContext& context, Stream& client, Inbox& inbox, const GssConfig& config,
                             Deadline deadline) {
  auto wish = co_await receiveGssFrame(client, inbox, GssMessage::protection, deadline);
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
  const auto sent = co_await sendGssFrame(client, GssMessage::protection, std::move(answer), deadline);
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

Task<Result<GssSession>> acceptGss(GssDesk& desk, Stream& client, Inbox& inbox, const GssConfig& config,
                                   Deadline deadline) {
  auto session = co_await converse(desk, client, inbox, config, deadline);
  if (session || session.error().failure == Failure::peerGone) co_return session;
  co_await abortGss(client);
  co_return session;
}

}  // namespace crossgate
