// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/access.h"

#include <algorithm>
#include <array>

#include "gateway/phrase.h"

namespace crossgate {
namespace {

constexpr std::array commandNames{"connect", "bind", "udp", "resolve"};

Error deniedBy(const AccessRule& rule) { return {Failure::denied, "denied by the rule at " + rule.place}; }

// What only a rule that names the address may permit.
const char* whyProtected(const IpAddress& address, const IsOwnAddress& isOwn) {
  if (address.isLoopback()) return "loopback";
  if (address.isUnspecified()) return "no host's address";  // to BIND: any peer's
  if (address.isMulticast()) return "an address of many hosts";
  if (address.isLinkLocal()) return "link-local";
  if (isOwn(address)) return "an address of the gateway";
  return nullptr;
}

}  // namespace

const char* toString(Command command) noexcept { return commandNames[static_cast<std::size_t>(command)]; }

std::optional<Command> parseCommand(std::string_view word) noexcept {
  const auto* found = std::find(commandNames.begin(), commandNames.end(), word);
  if (found == commandNames.end()) return std::nullopt;
  return static_cast<Command>(found - commandNames.begin());
}

Result<AccessRule> AccessRule::parse(std::string_view text) {
  const auto wrong = [](std::string detail) { return Error{Failure::invalid, std::move(detail)}; };
  auto phrase = Phrase::parse(text, {"from", "to", "command", "user"});
  if (!phrase) return phrase.error();
  if (phrase->leading().size() != 1) return wrong("a rule begins with one word, permit or deny");

  AccessRule rule;
  const std::string& verdict = phrase->leading().front();
  if (verdict != "permit" && verdict != "deny") return wrong("'" + verdict + "' is neither permit nor deny");
  rule.permit = verdict == "permit";
  for (const auto& [key, pattern] : {std::pair{"from", &rule.from}, std::pair{"to", &rule.to}}) {
    if (!phrase->has(key)) continue;
    auto parsed = Pattern::parse(phrase->value(key));
    if (!parsed) return wrong(std::string(key) + ": " + parsed.error().detail);
    *pattern = *std::move(parsed);
  }
  if (rule.from.hasNames()) return wrong("from: a client is known by its address, not by a name");
  if (phrase->has("command")) {
    for (const std::string& word : splitList(phrase->value("command"), ',')) {
      const auto command = parseCommand(word);
      if (!command) return wrong("command: '" + word + "' is none of connect, bind, udp, resolve");
      rule.commands.push_back(*command);
    }
  }
  if (phrase->has("user")) rule.users = splitList(phrase->value("user"), ',');
  return rule;
}

bool AccessRule::concerns(const Subject& subject, Command command) const {
  const auto listed = [](const auto& list, const auto& item) {
    return list.empty() || std::find(list.begin(), list.end(), item) != list.end();
  };
  return listed(commands, command) && listed(users, subject.user) && from.matches(subject.client);
}

Result<void> AccessRules::judgeCommand(const Subject& subject, Command command) const {
  for (const AccessRule& rule : rules_) {
    if (!rule.concerns(subject, command)) continue;
    if (rule.permit) return {};
    const bool forAll = !rule.to.hasNames() && !rule.to.hasAddresses() && !rule.to.hasPorts();
    if (forAll) return deniedBy(rule);
  }
  return Error{Failure::denied, "no rule permits it"};
}

Result<void> AccessRules::judgeName(const Subject& subject, Command command, const std::string& name,
                                    std::uint16_t port) const {
  for (const AccessRule& rule : rules_) {
    if (!rule.concerns(subject, command)) continue;
    // A permission by address may still apply to what the name resolves to.
    if (rule.permit && rule.to.hasAddresses()) return {};
    if (rule.to.match(&name, nullptr, port) == Match::no) continue;
    if (rule.permit) return {};
    return deniedBy(rule);
  }
  return Error{Failure::denied, "no rule permits it"};
}

Result<void> AccessRules::judgeAddress(const Subject& subject, Command command, const std::string* name,
                                       const IpAddress& address, std::uint16_t port,
                                       const IsOwnAddress& isOwn) const {
  const auto embedded = address.embeddedV4();
  const char* shielded = whyProtected(address, isOwn);
  if (shielded == nullptr && embedded) shielded = whyProtected(*embedded, isOwn);
  const bool askedForLocalhost =
      name != nullptr && canonicalName(*name) == "localhost" && address.isLoopback();

  for (const AccessRule& rule : rules_) {
    if (!rule.concerns(subject, command)) continue;
    Match match = rule.to.match(name, &address, port);
    // The IPv4 address inside is where the octets go in the end: a denial of it holds, and so does a
    // permission that names it.
    if (embedded) match = std::max(match, rule.to.match(nullptr, &*embedded, port));
    if (match == Match::no) continue;
    if (!rule.permit) return deniedBy(rule);
    const bool named = match == Match::address || (askedForLocalhost && match == Match::name);
    if (shielded != nullptr && !named) continue;
    return {};
  }
  if (shielded != nullptr) {
    return Error{Failure::denied,
                 address.toString() + " is " + shielded + ", which no rule permits by its address"};
  }
  return Error{Failure::denied, "no rule permits it"};
}

}  // namespace crossgate
