// SPDX-License-Identifier: BSD-2-Clause
// Pattern: which hosts and ports a rule, a method, a route or a `direct` line speaks of; one grammar
// everywhere.  TimeWindow: when.
//
// A pattern is a comma-separated list of `*`, an IPv4 or IPv6 address or CIDR (IPv6 bare, or in
// brackets, which a port needs: `[2001:db8::/32]:80`), `name`, `*.suffix` (below it), `.suffix` (the
// name and all below), each with an optional `:port` or `:low-high`; a bare port or range after an
// item that has one adds to that item: `*.example.org:80,443`.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "lib/address.h"
#include "lib/result.h"

namespace crossgate {

/// How a destination met a pattern, weakest first.
enum class Match : std::uint8_t { no, any, name, address };

class Pattern {
 public:
  /// Matches everything, as `*` does.
  Pattern();
  /// Failure::invalid with the item that makes no sense and why.  Bits of an address behind its prefix
  /// length are refused (`10.0.0.1/8`), since one of the two is a slip.
  static Result<Pattern> parse(std::string_view text);

  /// The strongest match of any item.  Either of `name` and `address` may be null: an item about the
  /// missing one does not match.  An address is compared unmapped; a name in its canonical form.
  /// A zone plays no part.
  Match match(const std::string* name, const IpAddress* address, std::uint16_t port) const;
  Match match(const Destination& destination) const;
  bool matches(const Endpoint& endpoint) const {
    return match(nullptr, &endpoint.address, endpoint.port) != Match::no;
  }

  /// Whether an item matches that names ports, and does not speak of all that is on a host.
  bool matchesByPort(const Endpoint& endpoint) const;

  bool hasNames() const noexcept;      ///< some item is a name or a suffix
  bool hasAddresses() const noexcept;  ///< some item is an address or a CIDR
  bool hasPorts() const noexcept;
  const std::string& text() const noexcept { return text_; }  ///< as it was written

 private:
  struct PortRange {
    std::uint16_t low, high;
  };
  struct Item {
    enum class Kind : std::uint8_t { any, address, name, below, nameAndBelow } kind = Kind::any;
    IpAddress network;             // address; never IPv4-mapped
    unsigned bits = 0;             // address: length of the prefix
    std::string name;              // canonical; below and nameAndBelow: with the leading dot
    std::vector<PortRange> ports;  // empty: every port
  };
  static Match matchHost(const Item& item, const std::string& name, const IpAddress* address);
  static bool matchPort(const Item& item, std::uint16_t port);
  static Result<Item> parseItem(std::string_view text);
  static Result<Item> parseNetwork(std::string_view text);
  static Result<Item> parseName(std::string_view text);
  static Result<PortRange> parsePorts(std::string_view text);

  std::vector<Item> items_;
  std::string text_;
};

/// `Mon-Fri/08:00-18:00`, `Sat,Sun`, `22:00-06:00`: days, hours (to 24:00), or both; local time.  A window
/// whose end is before its start runs over midnight and belongs to the day it starts on.
class TimeWindow {
 public:
  /// Failure::invalid with what makes no sense.
  static Result<TimeWindow> parse(std::string_view text);
  bool contains(const std::tm& local) const noexcept;
  const std::string& text() const noexcept { return text_; }

 private:
  Result<void> parseDays(std::string_view text);
  Result<void> parseHours(std::string_view text);
  bool onDay(int weekday) const noexcept { return (days_ >> weekday & 1) != 0; }

  unsigned days_ = 0x7f;  // bit 0: Sunday, as tm_wday counts
  int fromMinute_ = 0;
  int toMinute_ = 24 * 60;  // exclusive
  std::string text_;
};

}  // namespace crossgate
