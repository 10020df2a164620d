// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/option_value.h"

#include <net/if.h>
#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "gateway/phrase.h"

namespace crossgate {
namespace {

// WHERE:PORT [version LIST] [proxy from PATTERN] [owner USER]
Result<Phrase> listenerPhrase(const std::string& text) {
  auto phrase = Phrase::parse(text, {"version", "from", "owner"}, {"proxy"});
  if (phrase && phrase->has("proxy") != phrase->has("from")) {
    return invalid("write `proxy from PATTERN`: a header is only believed from named sources");
  }
  return phrase;
}

// A name, or a number as in /etc/passwd.
Result<unsigned> parseOwner(const std::string& text, const ListenerConfig& listener) {
  const bool loopback = listener.interface.empty() ? listener.endpoint.address.isLoopback() : listener.interface == "lo";
  if (!loopback) return invalid("owner: only on loopback can the kernel tell whose a client is");
  if (const auto number = parseNumber(text, 0, std::numeric_limits<unsigned>::max() - 1)) return *number;
  const passwd* entry = getpwnam(text.c_str());
  if (entry == nullptr) return invalid("owner: there is no user '" + text + "'");
  return entry->pw_uid;
}

// An interface's name is hard to tell from an address with a mistake in it: one of digits and dots is none.
bool mayBeInterface(std::string_view name) {
  return !name.empty() && name.size() < IFNAMSIZ && name.find_first_of("[]:/%* ") == name.npos &&
         name.find_first_not_of("0123456789.") != name.npos;
}

// ADDRESS:PORT, [ADDRESS]:PORT or INTERFACE:PORT
Result<ListenerConfig> listenerAt(const std::string& where) {
  ListenerConfig listener;
  if (const auto endpoint = Endpoint::parse(where)) {
    listener.endpoint = *endpoint;
    return listener;
  }
  const std::size_t colon = std::min(where.rfind(':'), where.size());
  listener.interface = where.substr(0, colon);
  listener.endpoint.port = parsePort(std::string_view(where).substr(std::min(colon + 1, where.size()))).value_or(0);
  if (listener.endpoint.port != 0 && mayBeInterface(listener.interface)) return listener;
  return invalid("'" + where + "' is not ADDRESS:PORT, [ADDRESS]:PORT or INTERFACE:PORT");
}

}  // namespace

Error invalid(std::string detail) { return {Failure::invalid, std::move(detail)}; }

Result<unsigned> parseNumber(const std::string& text, unsigned low, unsigned high) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || stop != end || value < low || value > high) {
    return invalid("'" + text + "' is not a whole number from " + std::to_string(low) + " to " +
                   std::to_string(high));
  }
  return value;
}

Assign addListener(bool tls) {
  return [=](Config& config, const Given& given) -> Result<void> {
    const auto phrase = listenerPhrase(given.value);
    if (!phrase) return phrase.error();
    const std::string where = phrase->leading().size() == 1 ? phrase->leading().front() : given.value;
    const auto parsed = listenerAt(where);
    if (!parsed) return parsed.error();
    ListenerConfig listener = *parsed;
    listener.tls = tls;
    if (phrase->has("version")) {
      listener.socks4 = listener.socks5 = false;
      for (const std::string& version : splitList(phrase->value("version"), ',')) {
        if (version != "4" && version != "5") return invalid("version: '" + version + "' is neither 4 nor 5");
        (version == "4" ? listener.socks4 : listener.socks5) = true;
      }
    }
    if (phrase->has("from")) {
      auto from = Pattern::parse(phrase->value("from"));
      if (!from) return invalid("proxy from: " + from.error().detail);
      if (from->hasNames()) return invalid("proxy from: a source is known by its address, not by a name");
      listener.proxyFrom = *std::move(from);
    }
    if (phrase->has("owner")) {
      const auto owner = parseOwner(phrase->value("owner"), listener);
      if (!owner) return owner.error();
      listener.owner = *owner;
    }
    config.listeners.push_back(std::move(listener));
    return {};
  };
}

Result<void> assignGssLevels(Config& config, const Given& given) {
  config.gss.levels.clear();
  for (const std::string& word : splitList(given.value, ',')) {
    const auto level = parseGssLevel(word);
    if (!level) return invalid("'" + word + "' is none of confidentiality, integrity, selective, none");
    config.gss.levels.push_back(*level);
  }
  return {};
}

Result<void> addMethodRule(Config& config, const Given& given) {
  auto rule = MethodRule::parse(given.value);
  if (!rule) return rule.error();
  rule->place = given.place;
  config.auth.methods.push_back(*std::move(rule));
  return {};
}

Result<void> addRule(Config& config, const Given& given) {
  auto rule = AccessRule::parse(given.value);
  if (!rule) return rule.error();
  rule->place = given.place;
  config.rules.push_back(*std::move(rule));
  return {};
}

// NAME USER,USER
Result<void> addGroup(Config& config, const Given& given) {
  const std::vector<std::string> words = splitWords(given.value);
  if (words.size() != 2) return invalid("a group is a name and a list of users: staff alice,bob");
  for (const std::string& user : splitList(words[1], ',')) {
    if (user.empty()) return invalid("an empty user name");
    config.groups[words[0]].insert(user);
  }
  return {};
}

Result<void> addRoute(Config& config, const Given& given) {
  auto route = Route::parse(given.value);
  if (!route) return route.error();
  route->place = given.place;
  config.routes.add(*std::move(route));
  return {};
}

Result<void> addNameserver(Config& config, const Given& given) {
  auto endpoint = Endpoint::parse(given.value);
  if (!endpoint) {
    const auto address = IpAddress::parse(given.value);
    if (!address) return invalid("'" + given.value + "' is not an address with or without a port");
    endpoint = Endpoint{*address, 53};
  }
  config.nameservers.push_back(endpoint->toString());
  return {};
}

Result<void> addExternal(Config& config, const Given& given) {
  const auto address = IpAddress::parse(given.value);
  if (!address) return invalid("'" + given.value + "' is not an IPv4 or IPv6 address");
  auto& source = address->isV4() ? config.dial.sourceV4 : config.dial.sourceV6;
  if (source) return invalid("a second " + std::string(toString(address->family())) + " address");
  source = *address;
  return {};
}

}  // namespace crossgate
