// SPDX-License-Identifier: BSD-2-Clause
// All addresses of a name at once, for the stages that want an answer rather than a race (see dial.h):
// BIND, UDP ASSOCIATE and RESOLVE.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gateway/resolver.h"
#include "gateway/task.h"

namespace crossgate {

/// What an AAAA and an A record of one name are worth against each other.
enum class Preference : std::uint8_t {
  ipv6,  ///< the order of RFC 6724, which sets IPv6 first where both are as good
  ipv4,  ///< every IPv4 address first
  ipv4Only,
  ipv6Only,
};

/// The rules' word on one address and on the name under which it was found (empty: none); an Error (denied)
/// leaves that address out.
using Admit = std::function<Result<void>(const IpAddress& address, const std::string& foundAs)>;

struct NameAddresses {
  std::vector<IpAddress> addresses;  ///< at least one; admitted, best first
  std::chrono::seconds ttl{};        ///< the shortest of the records
};

/// Resolves and admits.  Failure::noSuchName, timedOut, or denied when every address is.
Task<Result<NameAddresses>> lookUp(Resolver& resolver, std::string name, Preference prefer, Admit admit,
                                   Deadline deadline);

}  // namespace crossgate
