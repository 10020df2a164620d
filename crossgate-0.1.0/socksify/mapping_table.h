// SPDX-License-Identifier: BSD-2-Clause
// MappingTable: which fake IP stands for which name (RFC 3089, section 2: "fake IP" and the Socks
// Lib's mapping table).
//
// A name keeps its fake for the life of the process tree, and has one in each family; both are made
// of the name's index in the table.  Any number of threads and processes may use it at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/address.h"
#include "socksify/config.h"
#include "socksify/tree_memory.h"

namespace crossgate::socksify {

/// An address that stands for a name, of the family that the program can hold.
using FakeIp = IpAddress;

class MappingTable {
 public:
  MappingTable(MappingArea& area, const FakeRange& ipv4, const FakeRange& ipv6) noexcept
      : area_(area), ipv4_(ipv4), ipv6_(ipv6) {}

  /// The fake for a name (compared in its canonical form).  Failure::invalid for a name that no SOCKS
  /// request can carry, Failure::exhausted when the range or the table is full.
  Result<FakeIp> assign(std::string_view name, Family family);

  bool isFake(const IpAddress& address) const noexcept;
  /// The name behind a fake, also in its ::ffff: form; empty for any other address.
  std::optional<std::string> lookup(const IpAddress& address) const;

 private:
  std::uint32_t find(std::string_view name, std::uint32_t hash, std::uint32_t from,
                     std::uint32_t until) const noexcept;
  std::uint32_t add(std::string_view name, std::uint32_t hash) noexcept;
  std::string_view nameOf(std::uint32_t index) const noexcept;
  const FakeRange& range(Family family) const noexcept { return family == Family::ipv4 ? ipv4_ : ipv6_; }
  std::optional<FakeIp> fakeOf(std::uint32_t index, Family family) const noexcept;
  std::uint32_t indexOf(const FakeIp& fake) const noexcept;

  MappingArea& area_;
  const FakeRange& ipv4_;
  const FakeRange& ipv6_;
};

}  // namespace crossgate::socksify
