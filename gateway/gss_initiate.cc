// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/gss_initiate.h"

#include "gateway/gss_context.h"

namespace crossgate {
namespace {

using socks5::GssMessage;

OctetSpan asOctets(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// RFC 1961, section 3.  The helper's first question is the service, its later ones are the hop's tokens.  What fails
// before the hop has said a word is our own affair.
Task<Result<GssAnswer>> establish(GssDesk& desk, Stream& hop, Inbox& inbox, const std::string& service,
                                  Deadline deadline) {
  const auto helper = co_await desk.open(deadline);
  if (!helper) co_return Error{Failure::noCredentials, helper.error().detail};
  auto answer = co_await askGssHelper(**helper, asOctets(service), deadline);
  if (!answer) co_return Error{Failure::noCredentials, answer.error().detail};
  if (answer->kind == GssAnswer::Kind::failed) co_return Error{Failure::noCredentials, answer->reason};
  for (;;) {
    if (!answer) co_return answer.error();
    if (answer->kind == GssAnswer::Kind::failed) co_return Error{Failure::denied, answer->reason};
    if (!answer->token.empty()) {
      const auto sent = co_await sendGssFrame(hop, GssMessage::token, std::move(answer->token), deadline);
      if (!sent) co_return sent.error();
    }
    if (answer->kind == GssAnswer::Kind::complete) co_return answer;
    const auto token = co_await receiveGssFrame(hop, inbox, GssMessage::token, deadline);
    if (!token) co_return token.error();
    answer = co_await askGssHelper(**helper, *token, deadline);
  }
}

bool isEnough(std::uint8_t level, GssLevel least) {
  return level == static_cast<std::uint8_t>(least) ||
         level == static_cast<std::uint8_t>(GssLevel::confidentiality);
}

// RFC 1961, section 4: one octet each way, wrapped without encryption.
Task<Result<GssLevel>> agree(const GssContext& context, Stream& hop, Inbox& inbox, GssLevel least,
                             Deadline deadline) {
  const std::uint8_t wish = static_cast<std::uint8_t>(least);
  auto wrapped = context.wrap({&wish, 1}, false);
  if (!wrapped) co_return wrapped.error();
  const auto sent = co_await sendGssFrame(hop, GssMessage::protection, *std::move(wrapped), deadline);
  if (!sent) co_return sent.error();
  const auto token = co_await receiveGssFrame(hop, inbox, GssMessage::protection, deadline);
  if (!token) co_return token.error();
  const auto answer = context.unwrap(*token, GssSeal::Order::strict);
  if (!answer) co_return answer.error();
  if (answer->message.size() != 1) co_return malformed("a GSSAPI protection level that is no octet");
  if (!isEnough(answer->message.front(), least)) {
    co_return Error{Failure::denied,
                    "GSSAPI: the gateway protects less than " + std::string(toString(least))};
  }
  co_return GssLevel{answer->message.front()};
}

Task<Result<GssSession>> converse(GssDesk& desk, Stream& hop, Inbox& inbox, const std::string& service,
                                  GssLevel least, Deadline deadline) {
  auto established = co_await establish(desk, hop, inbox, service, deadline);
  if (!established) co_return established.error();
  auto context = GssContext::import(established->context, established->confidential);
  if (!context) co_return context.error();
  const auto level = co_await agree(*context, hop, inbox, least, deadline);
  if (!level) co_return level.error();
  if (*level == GssLevel::confidentiality && !context->confidential())
    co_return Error{Failure::denied, "GSSAPI: this context cannot encrypt"};
  GssSession session{{}, *level, nullptr};
  if (*level != GssLevel::none) session.seal = makeSeal(*std::move(context), *level);
  co_return session;
}

}  // namespace

Task<Result<GssSession>> initiateGss(GssDesk& desk, Stream& hop, Inbox& inbox, const std::string& service,
                                     GssLevel least, Deadline deadline) {
  auto session = co_await converse(desk, hop, inbox, service, least, deadline);
  if (session || session.error().failure == Failure::peerGone) co_return session;
  co_await abortGss(hop);
  co_return session;
}

}  // namespace crossgate
