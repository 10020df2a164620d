// SPDX-License-Identifier: BSD-2-Clause
// The method rules of [auth]: which authentication methods a client is offered, by where it comes from.
// First match decides; where nothing matches the client is offered none and turned away.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/address.h"
#include "lib/pattern.h"
#include "lib/result.h"
#include "lib/socks5.h"

namespace crossgate {

/// The methods as rules and the log name them.
std::optional<socks5::Method> parseMethod(std::string_view word) noexcept;

struct MethodRule {
  /// `none|userpass|gssapi[,...] [from PATTERN] [listen socks|tls]`; the Error says what is wrong.
  static Result<MethodRule> parse(std::string_view text);

  bool concerns(const Endpoint& client, bool tls) const {
    return (!onTls || *onTls == tls) && from.matches(client);
  }
  bool offers(socks5::Method method) const noexcept;

  std::vector<socks5::Method> methods;  ///< preferred first
  Pattern from;
  std::optional<bool> onTls;  ///< only where the client side is, or is not, TLS
  std::string place;          ///< "file:line"
};

/// The rule that decides for a client; null when there is none.
const MethodRule* methodRuleFor(const std::vector<MethodRule>& rules, const Endpoint& client, bool tls);
/// What it offers; empty when there is none.
std::span<const socks5::Method> offeredMethods(const std::vector<MethodRule>& rules, const Endpoint& client,
                                               bool tls);

}  // namespace crossgate
