// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/auth_methods.h"

#include <algorithm>
#include <array>

#include "gateway/phrase.h"

namespace crossgate {
namespace {

constexpr std::array knownMethods{socks5::Method::none, socks5::Method::userpass, socks5::Method::gssapi};

Error invalid(std::string detail) { return {Failure::invalid, std::move(detail)}; }

}  // namespace

std::optional<socks5::Method> parseMethod(std::string_view word) noexcept {
  for (const socks5::Method method : knownMethods) {
    if (word == toString(method)) return method;
  }
  return std::nullopt;
}

Result<MethodRule> MethodRule::parse(std::string_view text) {
  const auto phrase = Phrase::parse(text, {"from", "listen"});
  if (!phrase) return phrase.error();
  if (phrase->leading().size() != 1) return invalid("a method rule begins with a list of methods");
  MethodRule rule;
  for (const std::string& word : splitList(phrase->leading().front(), ',')) {
    const auto method = parseMethod(word);
    if (!method) {
      std::string names;
      for (const socks5::Method known : knownMethods)
        names += (names.empty() ? "" : ", ") + std::string(toString(known));
      return invalid("'" + word + "' is none of " + names);
    }
    if (rule.offers(*method)) return invalid("'" + word + "' is given twice");
    rule.methods.push_back(*method);
  }
  if (phrase->has("from")) {
    auto from = Pattern::parse(phrase->value("from"));
    if (!from) return invalid("from: " + from.error().detail);
    rule.from = *std::move(from);
    if (rule.from.hasNames()) return invalid("from: a client is known by its address, not by a name");
  }
  if (phrase->has("listen")) {
    const std::string kind = phrase->value("listen");
    if (kind != "socks" && kind != "tls") return invalid("listen: '" + kind + "' is neither socks nor tls");
    rule.onTls = kind == "tls";
  }
  return rule;
}

bool MethodRule::offers(socks5::Method method) const noexcept {
  return std::find(methods.begin(), methods.end(), method) != methods.end();
}

const MethodRule* methodRuleFor(const std::vector<MethodRule>& rules, const Endpoint& client, bool tls) {
  const auto found = std::find_if(rules.begin(), rules.end(),
                                  [&](const MethodRule& rule) { return rule.concerns(client, tls); });
  return found == rules.end() ? nullptr : &*found;
}

std::span<const socks5::Method> offeredMethods(const std::vector<MethodRule>& rules, const Endpoint& client,
                                               bool tls) {
  const MethodRule* rule = methodRuleFor(rules, client, tls);
  if (rule == nullptr) return {};
  return rule->methods;
}

}  // namespace crossgate
