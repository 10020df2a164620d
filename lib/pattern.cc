// SPDX-License-Identifier: BSD-2-Clause
#include "lib/pattern.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace crossgate {
namespace {

Error invalid(std::string_view text, const std::string& why) {
  return {Failure::invalid, "'" + std::string(text) + "' " + why};
}

bool isDigit(char c) { return c >= '0' && c <= '9'; }

// The text in front of the first `separator`, which is taken off `rest` together with it.
std::string_view takeUpTo(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

template <class Take>
Result<void> forEachPart(std::string_view text, Take take) {
  for (bool more = true; more;) {
    more = text.find(',') != text.npos;
    if (auto result = take(takeUpTo(text, ',')); !result) return result;
  }
  return {};
}

bool looksLikePorts(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return isDigit(c) || c == '-'; });
}

// `address` with the bits behind its prefix cleared.
IpAddress masked(const IpAddress& address, unsigned bits) {
  std::array<std::uint8_t, 16> octets{};
  const auto all = address.octets();
  std::copy(all.begin(), all.end(), octets.begin());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const unsigned before = static_cast<unsigned>(i) * 8;
    const unsigned kept = bits <= before ? 0 : std::min(bits - before, 8U);
    octets[i] &= static_cast<std::uint8_t>(0xff00 >> kept);
  }
  return address.isV4() ? IpAddress::v4(std::span(octets).first<4>()) : IpAddress::v6(octets);
}

std::optional<unsigned> parseNumber(std::string_view text, unsigned most) {
  unsigned number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || stop != text.data() + text.size() || number > most) return std::nullopt;
  return number;
}

// Digits and dots, or digits behind the last dot: meant as an IPv4 address.
bool looksLikeAddress(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  const std::string_view last = dot == name.npos ? name : name.substr(dot + 1);
  return std::all_of(last.begin(), last.end(), isDigit);
}

}  // namespace

// ---- Pattern ------------------------------------------------------------------------------------

Pattern::Pattern() : items_(1), text_("*") {}

Result<Pattern> Pattern::parse(std::string_view text) {
  Pattern pattern;
  pattern.items_.clear();
  pattern.text_ = text;
  const auto parsed = forEachPart(text, [&](std::string_view part) -> Result<void> {
    const bool addsPorts = !pattern.items_.empty() && !pattern.items_.back().ports.empty();
    if (addsPorts && looksLikePorts(part)) {
      const auto ports = parsePorts(part);
      if (!ports) return ports.error();
      pattern.items_.back().ports.push_back(*ports);
      return {};
    }
    auto item = parseItem(part);
    if (!item) return item.error();
    pattern.items_.push_back(*std::move(item));
    return {};
  });
  if (!parsed) return parsed.error();
  return pattern;
}

Result<Pattern::Item> Pattern::parseItem(std::string_view text) {
  if (text.empty()) return Error{Failure::invalid, "an empty item in a list of addresses and names"};
  if (looksLikePorts(text)) return invalid(text, "is a port without a host: write *:" + std::string(text));
  std::string_view host = text;
  std::optional<std::string_view> ports;
  if (text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == text.npos) return invalid(text, "has no closing bracket");
    host = text.substr(1, end - 1);
    const std::string_view behind = text.substr(end + 1);
    if (host.find(':') == host.npos) return invalid(text, "has no IPv6 address in its brackets");
    if (behind.starts_with('/'))
      return invalid(text, "has its prefix length behind the bracket: write it inside");
    if (!behind.empty() && behind.front() != ':')
      return invalid(text, "goes on behind its bracket without a colon");
    if (!behind.empty()) ports = behind.substr(1);
  } else if (const std::size_t colon = text.find(':'); colon == text.rfind(':') && colon != text.npos) {
    host = text.substr(0, colon);
    ports = text.substr(colon + 1);
  }

  const bool isNetwork = host.find_first_of(":/%") != host.npos || IpAddress::parse(host);
  auto item = host == "*" ? Result<Item>(Item{}) : isNetwork ? parseNetwork(host) : parseName(host);
  if (!item || !ports) return item;
  const auto range = parsePorts(*ports);
  if (!range) return invalid(text, "has a port that makes no sense: " + range.error().detail);
  item->ports.push_back(*range);
  return item;
}

Result<Pattern::Item> Pattern::parseNetwork(std::string_view text) {
  std::string_view rest = text;
  const bool hasBits = text.find('/') != text.npos;
  const std::string_view host = takeUpTo(rest, '/');
  if (host.find('%') != host.npos) return invalid(text, "names a zone, which has no place in a pattern");
  const auto address = IpAddress::parse(host);
  if (!address) {
    return invalid(text, host.find(':') != host.npos
                             ? "is no IPv6 address (with a port, write [address]:port)"
                             : "is no IPv4 or IPv6 address with a prefix length");
  }
  const unsigned most = address->isV4() ? 32 : 128;
  const auto bits = hasBits ? parseNumber(rest, most) : most;
  if (!bits) return invalid(text, "has no prefix length from 0 to " + std::to_string(most));
  if (const IpAddress network = masked(*address, *bits); network != *address) {
    return invalid(
        text, "has bits set behind its prefix: write " + network.toString() + "/" + std::to_string(*bits));
  }

  Item item;
  item.kind = Item::Kind::address;
  item.network = *address;
  item.bits = *bits;
  // What is matched is unmapped, so an IPv4-mapped network has to be as well.
  constexpr unsigned mappedBits = 96;
  if (!address->isV4() && address->unmapped().isV4() && *bits >= mappedBits) {
    item.network = address->unmapped();
    item.bits = *bits - mappedBits;
  }
  return item;
}

Result<Pattern::Item> Pattern::parseName(std::string_view text) {
  Item item;
  item.kind = text.starts_with("*.")  ? Item::Kind::below
              : text.starts_with('.') ? Item::Kind::nameAndBelow
                                      : Item::Kind::name;
  item.name = canonicalName(item.kind == Item::Kind::below ? text.substr(1) : text);
  std::string_view labels = item.name;
  if (item.kind != Item::Kind::name) labels.remove_prefix(1);
  if (labels.find('*') != labels.npos) return invalid(text, "has a '*' elsewhere than in front of a dot");
  if (!isValidName(labels)) return invalid(text, "is no name of 1 to 255 octets");
  if (looksLikeAddress(labels)) return invalid(text, "is neither an address nor a name");
  for (std::size_t start = 0; start <= labels.size();) {
    const std::size_t end = std::min(labels.find('.', start), labels.size());
    if (end == start) return invalid(text, "has an empty part between its dots");
    start = end + 1;
  }
  if (!isHostName(labels)) return invalid(text, "holds a character that no name has");
  return item;
}

Result<Pattern::PortRange> Pattern::parsePorts(std::string_view text) {
  std::string_view rest = text;
  const bool isRange = text.find('-') != text.npos;
  const auto low = parsePort(takeUpTo(rest, '-'));
  const auto high = isRange ? parsePort(rest) : low;
  if (!low || !high) return invalid(text, "is no port from 0 to 65535 and no range of them");
  if (*low > *high) return invalid(text, "is a range that ends before it starts");
  return PortRange{*low, *high};
}

Match Pattern::match(const std::string* name, const IpAddress* address, std::uint16_t port) const {
  const std::string canonical = name != nullptr && hasNames() ? canonicalName(*name) : std::string();
  const std::optional<IpAddress> unmapped =
      address != nullptr ? std::optional(address->unmapped()) : std::nullopt;
  Match best = Match::no;
  for (const Item& item : items_) {
    if (!matchPort(item, port)) continue;
    best = std::max(best, matchHost(item, canonical, unmapped ? &*unmapped : nullptr));
  }
  return best;
}

bool Pattern::matchesByPort(const Endpoint& endpoint) const {
  const IpAddress address = endpoint.address.unmapped();
  return std::any_of(items_.begin(), items_.end(), [&](const Item& item) {
    return !item.ports.empty() && matchPort(item, endpoint.port) &&
           matchHost(item, "", &address) != Match::no;
  });
}

Match Pattern::match(const Destination& destination) const {
  return match(destination.name(), destination.address(), destination.port);
}

// `name` is canonical, and empty where there is none: no item's name is.
Match Pattern::matchHost(const Item& item, const std::string& name, const IpAddress* address) {
  const std::string_view suffix = item.name;
  switch (item.kind) {
    case Item::Kind::any: return Match::any;
    case Item::Kind::address:
      return address != nullptr && address->within(item.network, item.bits) ? Match::address : Match::no;
    case Item::Kind::name: return name == suffix ? Match::name : Match::no;
    case Item::Kind::nameAndBelow:
      if (name == suffix.substr(1)) return Match::name;
      [[fallthrough]];
    case Item::Kind::below:
      return name.size() > suffix.size() && name.ends_with(suffix) ? Match::name : Match::no;
  }
  return Match::no;
}

bool Pattern::matchPort(const Item& item, std::uint16_t port) {
  return item.ports.empty() || std::any_of(item.ports.begin(), item.ports.end(), [&](const PortRange& range) {
           return port >= range.low && port <= range.high;
         });
}

bool Pattern::hasNames() const noexcept {
  return std::any_of(items_.begin(), items_.end(), [](const Item& item) {
    return item.kind != Item::Kind::any && item.kind != Item::Kind::address;
  });
}

bool Pattern::hasAddresses() const noexcept {
  return std::any_of(items_.begin(), items_.end(),
                     [](const Item& item) { return item.kind == Item::Kind::address; });
}

bool Pattern::hasPorts() const noexcept {
  return std::any_of(items_.begin(), items_.end(), [](const Item& item) { return !item.ports.empty(); });
}

// ---- TimeWindow ---------------------------------------------------------------------------------

namespace {

std::optional<unsigned> parseDay(std::string_view text) {
  constexpr std::array<std::string_view, 7> days{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
  const auto found = std::find(days.begin(), days.end(), canonicalName(text));
  if (found == days.end()) return std::nullopt;
  return static_cast<unsigned>(found - days.begin());
}

// "08:00" to "24:00", in minutes.
std::optional<int> parseMinute(std::string_view text) {
  constexpr unsigned day = 24 * 60;
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = parseNumber(text.substr(0, 2), 24);
  const auto minute = parseNumber(text.substr(3), 59);
  if (!hour || !minute || *hour * 60 + *minute > day) return std::nullopt;
  return static_cast<int>(*hour * 60 + *minute);
}

}  // namespace

Result<TimeWindow> TimeWindow::parse(std::string_view text) {
  TimeWindow window;
  window.text_ = text;
  const std::size_t slash = text.find('/');
  const bool hasDays = slash != text.npos || text.find(':') == text.npos;
  const bool hasHours = slash != text.npos || !hasDays;
  if (hasDays) {
    if (auto days = window.parseDays(text.substr(0, slash)); !days) return days.error();
  }
  if (hasHours) {
    if (auto hours = window.parseHours(hasDays ? text.substr(slash + 1) : text); !hours) return hours.error();
  }
  return window;
}

Result<void> TimeWindow::parseDays(std::string_view text) {
  days_ = 0;
  return forEachPart(text, [&](std::string_view part) -> Result<void> {
    std::string_view rest = part;
    const bool isRange = part.find('-') != part.npos;
    const auto first = parseDay(takeUpTo(rest, '-'));
    const auto last = isRange ? parseDay(rest) : first;
    if (!first || !last) return invalid(part, "is no day (Mon Tue Wed Thu Fri Sat Sun) and no range of days");
    for (unsigned day = *first;; day = (day + 1) % 7) {
      days_ |= 1U << day;
      if (day == *last) return {};
    }
  });
}

Result<void> TimeWindow::parseHours(std::string_view text) {
  std::string_view rest = text;
  const auto from = parseMinute(takeUpTo(rest, '-'));
  const auto to = parseMinute(rest);
  if (!from || !to || *from == 24 * 60) return invalid(text, "is no time of day such as 08:00-18:00");
  if (*from == *to) return invalid(text, "ends when it starts");
  fromMinute_ = *from;
  toMinute_ = *to;
  return {};
}

bool TimeWindow::contains(const std::tm& local) const noexcept {
  const int minute = local.tm_hour * 60 + local.tm_min;
  const bool started = minute >= fromMinute_ && onDay(local.tm_wday);
  if (fromMinute_ < toMinute_) return started && minute < toMinute_;
  const bool runsOn = minute < toMinute_ && onDay((local.tm_wday + 6) % 7);
  return started || runsOn;
}

}  // namespace crossgate
