// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/access.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "gateway/auth_methods.h"
#include "gateway/phrase.h"

namespace crossgate {
namespace {

constexpr std::array commandNames{"connect", "bind", "udp", "resolve"};

Error invalid(std::string detail) { return {Failure::invalid, std::move(detail)}; }

std::tm localNow() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return local;
}

Judgement permittedBy(const AccessRule* rule) { return {true, rule, {}}; }
Judgement deniedBy(const AccessRule& rule) { return {false, &rule, "denied by the rule at " + rule.place}; }
Judgement denied(std::string reason) { return {false, nullptr, std::move(reason)}; }
// Who resolves it would look for another name than the one that the rules see.
Judgement notAName() { return denied("the name holds a character that no host's name has"); }

template <class T>
bool listed(const std::vector<T>& list, const T& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// ---- the conditions of a rule, as they are written ----

Result<void> readPatterns(const Phrase& phrase, AccessRule& rule) {
  for (const auto& [key, pattern] : {std::pair{"from", &rule.from}, std::pair{"to", &rule.to}}) {
    if (!phrase.has(key)) continue;
    auto parsed = Pattern::parse(phrase.value(key));
    if (!parsed) return invalid(std::string(key) + ": " + parsed.error().detail);
    *pattern = *std::move(parsed);
  }
  if (rule.from.hasNames()) return invalid("from: a client is known by its address, not by a name");
  return {};
}

Result<void> readLists(const Phrase& phrase, AccessRule& rule) {
  if (phrase.has("command")) {
    for (const std::string& word : splitList(phrase.value("command"), ',')) {
      const auto command = parseCommand(word);
      if (!command) return invalid("command: '" + word + "' is none of connect, bind, udp, resolve");
      rule.commands.push_back(*command);
    }
  }
  if (phrase.has("auth")) {
    for (const std::string& word : splitList(phrase.value("auth"), ',')) {
      const auto method = parseMethod(word);
      if (!method) return invalid("auth: '" + word + "' is no method");
      rule.methods.push_back(*method);
    }
  }
  for (const auto& [key, names] : {std::pair{"user", &rule.users}, std::pair{"group", &rule.groups}}) {
    if (!phrase.has(key)) continue;
    *names = splitList(phrase.value(key), ',');
    if (listed(*names, std::string())) return invalid(std::string(key) + ": an empty name");
  }
  return {};
}

Result<void> readTlsAndTime(const Phrase& phrase, AccessRule& rule) {
  if (phrase.has("tls")) {
    const std::string word = phrase.value("tls");
    if (word != "yes" && word != "no") return invalid("tls: '" + word + "' is neither yes nor no");
    rule.tls = word == "yes";
  }
  if (phrase.has("time")) {
    auto window = TimeWindow::parse(phrase.value("time"));
    if (!window) return invalid("time: " + window.error().detail);
    rule.time = *std::move(window);
  }
  rule.log = phrase.has("log");
  return {};
}

Result<void> readLimits(const Phrase& phrase, AccessRule& rule) {
  constexpr unsigned most = 1'000'000;
  for (const auto& [key, limit] :
       {std::pair{"sessions", &rule.limits.sessions}, std::pair{"per-user", &rule.limits.perUser},
        std::pair{"per-source", &rule.limits.perSource}}) {
    if (!phrase.has(key)) continue;
    const std::string text = phrase.value(key);
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *limit);
    if (error != std::errc{} || stop != text.data() + text.size() || *limit == 0 || *limit > most) {
      return invalid(std::string(key) + ": '" + text + "' is not a whole number from 1 to 1000000");
    }
  }
  if (rule.limits.any() && !rule.permit) return invalid("a limit belongs to a permission, not to deny");
  return {};
}

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
  const auto phrase = Phrase::parse(
      text,
      {"from", "to", "command", "user", "group", "auth", "tls", "time", "sessions", "per-user", "per-source"},
      {"log"});
  if (!phrase) return phrase.error();
  if (phrase->leading().size() != 1) return invalid("a rule begins with one word, permit or deny");

  AccessRule rule;
  const std::string& verdict = phrase->leading().front();
  if (verdict != "permit" && verdict != "deny")
    return invalid("'" + verdict + "' is neither permit nor deny");
  rule.permit = verdict == "permit";
  for (const auto read : {&readPatterns, &readLists, &readTlsAndTime, &readLimits}) {
    if (auto done = read(*phrase, rule); !done) return done.error();
  }
  return rule;
}

bool AccessRule::concerns(const Subject& subject, Command command, const std::tm& local) const {
  const auto fits = [](const auto& list, const auto& item) { return list.empty() || listed(list, item); };
  const bool isUser = users.empty() && groups.empty();
  return fits(commands, command) && fits(methods, subject.method) && from.matches(subject.client) &&
         (!tls || *tls == subject.tls) && (!time || time->contains(local)) &&
         (isUser || listed(users, subject.user) || members.contains(subject.user));
}

AccessRules::AccessRules(std::vector<AccessRule> rules) : rules_(std::move(rules)) {
  unsigned number = 0;
  for (AccessRule& rule : rules_) {
    rule.number = number++;
    timed_ = timed_ || rule.time;
  }
}

std::tm AccessRules::now() const { return timed_ ? localNow() : std::tm{}; }

unsigned AccessRules::limited() const noexcept {
  return static_cast<unsigned>(
      std::count_if(rules_.begin(), rules_.end(), [](const AccessRule& rule) { return rule.limits.any(); }));
}

Judgement AccessRules::judgeCommand(const Subject& subject, Command command) const {
  const std::tm local = now();
  for (const AccessRule& rule : rules_) {
    if (!rule.concerns(subject, command, local)) continue;
    if (rule.permit) return permittedBy(nullptr);
    if (rule.isForAll()) return deniedBy(rule);
  }
  return denied("no rule permits it");
}

std::vector<const AccessRule*> AccessRules::permissions(const Subject& subject, Command command) const {
  const std::tm local = now();
  std::vector<const AccessRule*> found;
  for (const AccessRule& rule : rules_) {
    if (!rule.concerns(subject, command, local)) continue;
    if (rule.permit) found.push_back(&rule);
    if (rule.isForAll()) break;
  }
  return found;
}

Judgement AccessRules::judgeName(const Subject& subject, Command command, const std::string& name,
                                 std::uint16_t port) const {
  if (!isHostName(name)) return notAName();
  const std::tm local = now();
  for (const AccessRule& rule : rules_) {
    if (!rule.concerns(subject, command, local)) continue;
    // A permission by address may still apply to what the name resolves to.
    if (rule.permit && rule.to.hasAddresses()) return permittedBy(nullptr);
    if (rule.to.match(&name, nullptr, port) == Match::no) continue;
    return rule.permit ? permittedBy(&rule) : deniedBy(rule);
  }
  return denied("no rule permits it");
}

Judgement AccessRules::judgeDelegated(const Subject& subject, Command command, const std::string& name,
                                      std::uint16_t port) const {
  if (!isHostName(name)) return notAName();
  const std::tm local = now();
  for (const AccessRule& rule : rules_) {
    if (!rule.concerns(subject, command, local) || rule.to.match(&name, nullptr, port) == Match::no) continue;
    return rule.permit ? permittedBy(&rule) : deniedBy(rule);
  }
  return denied("no rule permits the name, and a hop will resolve it");
}

Judgement AccessRules::judgeAddress(const Subject& subject, Command command, const std::string* name,
                                    const IpAddress& address, std::uint16_t port, const IsOwnAddress& isOwn,
                                    const std::string& foundAs) const {
  if (name != nullptr && !foundAs.empty() && foundAs != *name) {
    const Judgement found = judgeAddress(subject, command, &foundAs, address, port, isOwn);
    const bool isShort = name->find('.') == name->npos;
    if (!found.permitted && (!isShort || found.rule != nullptr)) return found;
  }
  const std::tm local = now();
  const auto embedded = address.embeddedV4();
  const char* shielded = whyProtected(address, isOwn);
  if (shielded == nullptr && embedded) shielded = whyProtected(*embedded, isOwn);
  const bool askedForLocalhost =
      name != nullptr && canonicalName(*name) == "localhost" && address.isLoopback();

  for (const AccessRule& rule : rules_) {
    if (!rule.concerns(subject, command, local)) continue;
    Match match = rule.to.match(name, &address, port);
    // The IPv4 address inside is where the octets go in the end: a denial of it holds, and so does a
    // permission that names it.
    if (embedded) match = std::max(match, rule.to.match(nullptr, &*embedded, port));
    if (match == Match::no) continue;
    if (!rule.permit) return deniedBy(rule);
    const bool named = match == Match::address || (askedForLocalhost && match == Match::name);
    if (shielded != nullptr && !named) continue;
    return permittedBy(&rule);
  }
  if (shielded != nullptr) {
    return denied(address.toString() + " is " + shielded + ", which no rule permits by its address");
  }
  return denied("no rule permits it");
}

}  // namespace crossgate
