// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/authorize.h"

namespace crossgate {
namespace {

void logDecision(const Authorization& asked, const AccessRule& rule, const std::string& to) {
  asked.log.line(LogLevel::info)
      .field("event", rule.permit ? "permitted" : "denied")
      .field("relay", asked.relay)
      .field("client", asked.subject.client.toString())
      .field("user", asked.subject.user)
      .field("command", toString(asked.command))
      .field("to", to)
      .field("rule", rule.place);
}

// What follows from a judgement: the rule's line in the log, and its count.  `to` is what was asked for,
// as text when it is needed.
template <class Text>
Result<void> conclude(const Authorization& asked, const Judgement& judgement, const Text& to) {
  const AccessRule* rule = judgement.rule;
  if (rule != nullptr && rule->log && asked.claims.isNew(*rule)) logDecision(asked, *rule, to());
  if (!judgement.permitted) return Error{Failure::denied, judgement.reason};
  return {};
}

Judgement judgementOn(const Authorization& asked, const IpAddress& address, const std::string& foundAs) {
  const auto isOwn = [&](const IpAddress& candidate) { return asked.own.contains(candidate); };
  return asked.rules.judgeAddress(asked.subject, asked.command, asked.destination.name(), address.unmapped(),
                                  asked.destination.port, isOwn, foundAs);
}

Result<void> judge(const Authorization& asked, const IpAddress& address, const std::string& foundAs) {
  const Judgement judgement = judgementOn(asked, address, foundAs);
  if (auto concluded = conclude(asked, judgement, [&] { return address.toString(); }); !concluded) return concluded;
  return asked.claims.claim(*judgement.rule, asked.subject);
}

}  // namespace

Result<void> authorizeCommand(const Authorization& asked) {
  auto verdict = conclude(asked, asked.rules.judgeCommand(asked.subject, asked.command),
                          [&] { return asked.destination.toString(); });
  if (!verdict) return verdict;
  for (const AccessRule* rule : asked.rules.permissions(asked.subject, asked.command)) {
    verdict = asked.claims.claimForNow(*rule, asked.subject);
    if (verdict) break;
  }
  return verdict;
}

Result<void> authorize(const Authorization& asked) {
  if (const IpAddress* address = asked.destination.address()) return judge(asked, *address, {});
  const std::string& name = *asked.destination.name();
  return conclude(asked, asked.rules.judgeName(asked.subject, asked.command, name, asked.destination.port),
                  [&] { return name; });
}

Result<void> authorizeDelegated(const Authorization& asked) {
  const std::string* name = asked.destination.name();
  if (name == nullptr) return authorize(asked);
  const Judgement judgement =
      asked.rules.judgeDelegated(asked.subject, asked.command, *name, asked.destination.port);
  if (auto concluded = conclude(asked, judgement, [&] { return *name; }); !concluded) return concluded;
  return asked.claims.claim(*judgement.rule, asked.subject);
}

Admit admission(const Authorization& asked) {
  return [&asked](const IpAddress& address, const std::string& foundAs) { return judge(asked, address, foundAs); };
}

void settle(const Authorization& asked, const IpAddress& address) {
  if (!asked.claims.several()) return;
  const Judgement judgement = judgementOn(asked, address, {});
  if (judgement.permitted) asked.claims.keepOnly(*judgement.rule);
}

}  // namespace crossgate
