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
#include <set>
#include <string>
#include <vector>

#include "lib/address.h"
#include "lib/pattern.h"
#include "lib/result.h"
#include "lib/socks5.h"

namespace crossgate {

/// The commands as rules and the log name them.
enum class Command : std::uint8_t { connect, bind, udp, resolve };
const char* toString(Command command) noexcept;
std::optional<Command> parseCommand(std::string_view word) noexcept;

/// Who asks.  `user` is one that a method has verified (a SOCKS4 user id reads socks4:ID, so that no rule
/// takes it for one).
struct Subject {
  Endpoint client;
  std::string user;
  socks5::Method method = socks5::Method::none;
  bool tls = false;
};

/// How many sessions a rule permits at once; 0: as many as come.
struct RuleLimits {
  unsigned sessions = 0;
  unsigned perUser = 0;
  unsigned perSource = 0;
  bool any() const noexcept { return sessions != 0 || perUser != 0 || perSource != 0; }
};

struct AccessRule {
  /// `permit|deny [from PATTERN] [to PATTERN] [command LIST] [user LIST] [group LIST] [auth LIST]
  /// [tls yes|no] [time WINDOW] [log] [sessions N] [per-user N] [per-source N]`; the Error says what is
  /// wrong.  Groups are names until resolveGroups() has given them members.
  static Result<AccessRule> parse(std::string_view text);

  /// True when everything but the destination fits; `local` is the time of day.
  bool concerns(const Subject& subject, Command command, const std::tm& local) const;
  /// True when it has every destination.
  bool isForAll() const noexcept { return !to.hasNames() && !to.hasAddresses() && !to.hasPorts(); }

  bool permit = false;
  Pattern from;
  Pattern to;
  std::vector<Command> commands;   // empty: all
  std::vector<std::string> users;  // empty: anybody
  std::vector<std::string> groups;
  std::set<std::string> members;        // of the groups
  std::vector<socks5::Method> methods;  // empty: any
  std::optional<bool> tls;
  std::optional<TimeWindow> time;
  bool log = false;  // a line of its own as soon as the rule decides
  RuleLimits limits;
  unsigned number = 0;  ///< its place in the list, from 0
  std::string place;    ///< "file:line", for the log and for explanations
};

/// Tells an address of this host.
using IsOwnAddress = std::function<bool(const IpAddress&)>;

/// What the rules say: `rule` is the one that decided; null where none did, and where a name may go
/// on to be resolved because a rule may permit one of its addresses.
struct Judgement {
  bool permitted = false;
  const AccessRule* rule = nullptr;
  std::string reason;  ///< of a denial
};

class AccessRules {
 public:
  explicit AccessRules(std::vector<AccessRule> rules = {});

  /// Whether there is any destination for which this could be permitted: for a command whose destinations
  /// are not known yet.
  Judgement judgeCommand(const Subject& subject, Command command) const;
  /// The rules by which it could be, in their order.
  std::vector<const AccessRule*> permissions(const Subject& subject, Command command) const;
  /// Before resolution: denied when no address the name may have could be permitted.
  Judgement judgeName(const Subject& subject, Command command, const std::string& name,
                      std::uint16_t port) const;
  /// A name that somebody else resolves: what rules say of its addresses is out of reach.
  Judgement judgeDelegated(const Subject& subject, Command command, const std::string& name,
                           std::uint16_t port) const;
  /// One address: a literal (`name` null) or what a name resolved to.  `foundAs` is what a search list has made of the
  /// name (empty, or the same: nothing): it has to be permitted as well.  Of a name without a dot, which is but
  /// short for that one, no rule need say anything more; none may deny it.
  Judgement judgeAddress(const Subject& subject, Command command, const std::string* name,
                         const IpAddress& address, std::uint16_t port, const IsOwnAddress& isOwn,
                         const std::string& foundAs = {}) const;

  /// How many rules count their sessions.
  unsigned limited() const noexcept;
  const std::vector<AccessRule>& rules() const noexcept { return rules_; }

 private:
  std::tm now() const;

  std::vector<AccessRule> rules_;
  bool timed_ = false;  // some rule asks for the local time
};

}  // namespace crossgate
