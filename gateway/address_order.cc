// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/address_order.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <map>

#include "lib/fd.h"

namespace crossgate {
namespace {

struct PolicyRow {
  const char* prefix;
  unsigned bits;
  int precedence;
  int label;
};

// RFC 6724, section 2.1, longest prefix first.
constexpr std::array<PolicyRow, 9> policyTable{{
    {"::1", 128, 50, 0},
    {"::ffff:0:0", 96, 35, 4},
    {"::", 96, 1, 3},
    {"2001::", 32, 5, 5},
    {"2002::", 16, 30, 2},
    {"3ffe::", 16, 1, 12},
    {"fec0::", 10, 1, 11},
    {"fc00::", 7, 3, 13},
    {"::", 0, 40, 1},
}};

const PolicyRow& policyOf(const IpAddress& address) {
  static const auto prefixes = [] {
    std::array<IpAddress, policyTable.size()> parsed;
    for (std::size_t i = 0; i < parsed.size(); ++i) parsed[i] = *IpAddress::parse(policyTable[i].prefix);
    return parsed;
  }();
  const IpAddress mapped = address.mapped();
  for (std::size_t i = 0; i + 1 < prefixes.size(); ++i) {
    if (mapped.within(prefixes[i], policyTable[i].bits)) return policyTable[i];
  }
  return policyTable.back();
}

// RFC 6724, sections 3.1 and 3.2: 2 link-local, 5 site-local, 14 global; multicast carries its own.
int scopeOf(const IpAddress& address) {
  constexpr int linkLocal = 2, siteLocal = 5, global = 14;
  if (address.isLoopback() || address.isLinkLocal()) return linkLocal;
  if (address.isV4()) return global;
  if (address.isMulticast()) return address.octets()[1] & 0x0f;
  if (address.octets()[0] == 0xfe && (address.octets()[1] & 0xc0) == 0xc0) return siteLocal;
  return global;
}

// Of two IPv6 addresses: what comes before the interface identifier counts.
int commonPrefix(const IpAddress& a, const IpAddress& b) {
  constexpr std::size_t prefixOctets = 8;
  for (std::size_t i = 0; i < prefixOctets; ++i) {
    const auto differing = static_cast<std::uint8_t>(a.octets()[i] ^ b.octets()[i]);
    if (differing != 0) return static_cast<int>(8 * i) + std::countl_zero(differing);
  }
  return 8 * prefixOctets;
}

// What the rules compare, one column a rule; larger is better.
struct Rank {
  bool usable = false;        // rule 1
  bool scopeMatches = false;  // rule 2
  bool labelMatches = false;  // rule 5
  int precedence = 0;         // rule 6
  int smallerScope = 0;       // rule 8
  int prefix = 0;             // rule 9, IPv6 only: for IPv4 it would defeat round robin
  auto operator<=>(const Rank&) const = default;
};

Rank rankOf(const IpAddress& destination, const std::optional<IpAddress>& source) {
  const PolicyRow& policy = policyOf(destination);
  Rank rank;
  rank.precedence = policy.precedence;
  rank.smallerScope = -scopeOf(destination);
  if (!source) return rank;
  rank.usable = true;
  rank.scopeMatches = scopeOf(destination) == scopeOf(*source);
  rank.labelMatches = policy.label == policyOf(*source).label;
  rank.prefix = destination.isV4() ? 0 : commonPrefix(destination, *source);
  return rank;
}

}  // namespace

std::optional<IpAddress> kernelSource(const IpAddress& destination) {
  const Fd probe(socket(toAf(destination.family()), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage;
  // Connecting a datagram socket sends nothing; any port will do.
  const socklen_t length = Endpoint{destination, 53}.toSockaddr(storage);
  if (!probe || connect(probe.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) return std::nullopt;
  const auto local = localEndpoint(probe.get());
  return local ? std::optional(local->address) : std::nullopt;
}

std::optional<IpAddress> recentSource(const IpAddress& destination) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t mostRemembered = 256;
  constexpr std::chrono::seconds memory{1};
  struct Answer {
    std::optional<IpAddress> source;
    Clock::time_point until;
  };
  static std::map<IpAddress, Answer> answers;
  const auto now = Clock::now();
  if (const auto known = answers.find(destination); known != answers.end() && now < known->second.until) {
    return known->second.source;
  }
  if (answers.size() >= mostRemembered) answers.clear();
  return (answers[destination] = {kernelSource(destination), now + memory}).source;
}

void orderByRfc6724(std::vector<IpAddress>& destinations, const SourceOf& sourceOf) {
  if (destinations.size() < 2) return;
  struct Ranked {
    Rank rank;
    IpAddress address;
  };
  std::vector<Ranked> ranked;
  ranked.reserve(destinations.size());
  for (const IpAddress& address : destinations)
    ranked.push_back({rankOf(address, sourceOf(address)), address});
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.rank > b.rank; });
  std::transform(ranked.begin(), ranked.end(), destinations.begin(),
                 [](const Ranked& r) { return r.address; });
}

void orderAddresses(std::vector<IpAddress>& destinations, bool ipv4First) {
  orderByRfc6724(destinations);
  if (!ipv4First) return;
  std::stable_partition(destinations.begin(), destinations.end(),
                        [](const IpAddress& address) { return address.isV4(); });
}

}  // namespace crossgate
