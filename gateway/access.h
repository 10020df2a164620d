// SPDX-License-Identifier: BSD-2-Clause
// The access rules of [access]: who may do what with which destination.  First match decides; where
// nothing matches the answer is no.
//
// A destination given by name is judged twice: as a name before it is resolved, and as every address
// it has.  A rule that names it by name (or `*`) permits the addresses it has, except those of the
// Gateway itself and link-local ones: only an address pattern, or `localhost` by name for loopback,
// permits these.  Addresses that carry an IPv4 address (IPv4-mapped, 6to4, NAT64) are judged as that
// one too.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/address.h"
#include "lib/pattern.h"
#include "lib/result.h"

namespace crossgate {

/// The commands as rules and the log name them.
enum class Command : std::uint8_t { connect, bind, udp, resolve };
const char* toString(Command command) noexcept;
std::optional<Command> parseCommand(std::string_view word) noexcept;

/// Who asks.
struct Subject {
  Endpoint client;
  std::string user;
};

struct AccessRule {
  /// `permit|deny [from PATTERN] [to PATTERN] [command LIST] [user LIST]`; the Error says what is wrong.
  static Result<AccessRule> parse(std::string_view text);

  bool concerns(const Subject& subject, Command command) const;

  bool permit = false;
  Pattern from;
  Pattern to;
  std::vector<Command> commands;   // empty: all
  std::vector<std::string> users;  // empty: anybody
  std::string place;               ///< "file:line", for the log and for explanations
};

/// Tells an address of this host.
using IsOwnAddress = std::function<bool(const IpAddress&)>;

class AccessRules {
 public:
  explicit AccessRules(std::vector<AccessRule> rules = {}) : rules_(std::move(rules)) {}

  /// Whether there is any destination for which this could be permitted: for a command whose destinations
  /// are not known yet.
  Result<void> judgeCommand(const Subject& subject, Command command) const;
  /// Before resolution: denied when no address the name may have could be permitted.
  Result<void> judgeName(const Subject& subject, Command command, const std::string& name,
                         std::uint16_t port) const;
  /// One address: a literal (`name` null) or what a name resolved to.
  Result<void> judgeAddress(const Subject& subject, Command command, const std::string* name,
                            const IpAddress& address, std::uint16_t port, const IsOwnAddress& isOwn) const;

 private:
  std::vector<AccessRule> rules_;
};

}  // namespace crossgate
