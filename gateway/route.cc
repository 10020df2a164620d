// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/route.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "gateway/phrase.h"
#include "lib/word.h"

namespace crossgate {
namespace {

constexpr std::size_t maxCredentialOctets = 255;  // RFC 1929, section 2

struct Scheme {
  std::string_view name;
  HopProtocol protocol;
  bool tls = false;
  bool gssapi = false;
};
constexpr std::array schemes{
    Scheme{"socks5", HopProtocol::socks5},
    Scheme{"socks5+tls", HopProtocol::socks5, true},
    Scheme{"socks5+gssapi", HopProtocol::socks5, false, true},
    Scheme{"socks5+tls+gssapi", HopProtocol::socks5, true, true},
    Scheme{"socks4", HopProtocol::socks4},
    Scheme{"socks4+tls", HopProtocol::socks4, true},
    Scheme{"socks4a", HopProtocol::socks4a},
    Scheme{"socks4a+tls", HopProtocol::socks4a, true},
    Scheme{"http", HopProtocol::http},
    Scheme{"http+tls", HopProtocol::http, true},
};

Error invalid(std::string detail) { return {Failure::invalid, std::move(detail)}; }

template <class T>
bool listed(const std::vector<T>& list, const T& item) {
  return list.empty() || std::find(list.begin(), list.end(), item) != list.end();
}

// RFC 3986, section 2.1.
Result<std::string> percentDecoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned value = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc{} || stop != digits.data() + 2)
      return invalid("a % in user or password is not followed by two hexadecimal digits");
    decoded += static_cast<char>(value);
    i += 2;
  }
  return decoded;
}

Result<void> readUserInfo(std::string_view text, Hop& hop) {
  if (text.starts_with('@')) {
    hop.secretFile = text.substr(1);
    if (hop.secretFile.empty()) return invalid("no file behind the @");
    return {};
  }
  const std::size_t colon = text.find(':');
  const auto user = percentDecoded(text.substr(0, colon));
  const auto password = percentDecoded(colon == text.npos ? std::string_view() : text.substr(colon + 1));
  if (!user) return user.error();
  if (!password) return password.error();
  if (user->empty() || user->size() > maxCredentialOctets || password->size() > maxCredentialOctets)
    return invalid("a user has 1 to 255 octets, and a password at most 255");
  hop.credentials = socks5::Credentials{*user, *password};
  return {};
}

Result<void> readPaths(const std::vector<std::string>& words, Route& route) {
  if (words.size() == 1 && words.front() == "direct") return {};
  route.paths.emplace_back();
  for (const std::string& word : words) {
    if (word == "|") {
      if (route.paths.back().hops.empty()) return invalid("no hop in front of a |");
      route.paths.emplace_back();
      continue;
    }
    auto hop = Hop::parse(word);
    if (!hop) return hop.error();
    route.paths.back().hops.push_back(*std::move(hop));
  }
  if (route.paths.back().hops.empty()) return invalid("a route begins with `direct` or a hop");
  return {};
}

Result<void> readConditions(const Phrase& phrase, Route& route) {
  for (const auto& [key, pattern] : {std::pair{"from", &route.from}, std::pair{"to", &route.to}}) {
    if (!phrase.has(key)) continue;
    auto parsed = Pattern::parse(phrase.value(key));
    if (!parsed) return invalid(std::string(key) + ": " + parsed.error().detail);
    *pattern = *std::move(parsed);
  }
  if (route.from.hasNames()) return invalid("from: a client is known by its address, not by a name");
  if (phrase.has("command")) {
    for (const std::string& word : splitList(phrase.value("command"), ',')) {
      const auto command = parseCommand(word);
      if (!command) return invalid("command: '" + word + "' is none of connect, bind, udp, resolve");
      route.commands.push_back(*command);
    }
  }
  if (phrase.has("user")) route.users = splitList(phrase.value("user"), ',');
  return {};
}

template <class T, std::size_t N>
Result<void> readKey(const Phrase& phrase, std::string_view key, T& member, const Word<T> (&words)[N]) {
  if (!phrase.has(key)) return {};
  auto read = readWord(phrase.value(key), member, words);
  if (!read) return invalid(std::string(key) + ": " + read.error().detail);
  return read;
}

Result<void> readManner(const Phrase& phrase, Route& route) {
  static constexpr Word<bool> here[] = {{"here", true}};
  static constexpr Word<bool> yesOrNo[] = {{"yes", true}, {"no", false}};
  static constexpr Word<PassLogin> logins[] = {{"pass", PassLogin::yes}, {"pass-clear", PassLogin::inTheClear}};
  static constexpr Word<Balance> balances[] = {
      {"order", Balance::order}, {"least", Balance::least}, {"hash", Balance::hash}};
  if (auto read = readKey(phrase, "resolve", route.resolveHere, here); !read) return read;
  if (auto read = readKey(phrase, "pipeline", route.pipeline, yesOrNo); !read) return read;
  if (auto read = readKey(phrase, "login", route.login, logins); !read) return read;
  return readKey(phrase, "balance", route.balance, balances);
}

Result<void> checkLogins(const Route& route) {
  if (route.login == PassLogin::no) return {};
  if (route.isDirect()) return invalid("login: there is no hop to log in to");
  for (const HopPath& path : route.paths) {
    const Hop& last = path.hops.back();
    if (last.gssapi) return invalid("login: " + last.text + " is told who comes by GSSAPI");
    if (last.credentials || !last.secretFile.empty())
      return invalid("login: " + last.text + " has a user and password of its own");
    if (!last.tls && route.login != PassLogin::inTheClear) {
      return invalid("login: " + last.text +
                     " is not reached by TLS; `login pass-clear` passes passwords on in the clear");
    }
  }
  return {};
}

}  // namespace

Result<Hop> Hop::parse(std::string_view text) {
  const std::string shown = maskSecrets(text);
  const auto wrong = [&](const std::string& why) { return invalid("'" + shown + "': " + why); };
  const std::size_t colon = text.find("://");
  const auto* scheme = std::find_if(schemes.begin(), schemes.end(), [&](const Scheme& each) {
    return colon != text.npos && each.name == text.substr(0, colon);
  });
  if (scheme == schemes.end())
    return wrong(
        "a hop begins with socks5://, socks4://, socks4a:// or http://, with +tls or +gssapi where it has that "
        "(socks5+tls://, socks5+gssapi://)");
  std::string_view rest = text.substr(colon + 3);
  Hop hop;
  hop.protocol = scheme->protocol;
  hop.tls = scheme->tls;
  hop.gssapi = scheme->gssapi;
  if (const std::size_t at = rest.rfind('@'); at != rest.npos) {
    if (auto read = readUserInfo(rest.substr(0, at), hop); !read) return wrong(read.error().detail);
    if (hop.gssapi) return wrong("with +gssapi there is no user and password, but a ticket");
    rest.remove_prefix(at + 1);
    if (hop.protocol == HopProtocol::http && hop.credentials && hop.credentials->user.find(':') != std::string::npos)
      return wrong("HTTP wants a user without a colon");
  }
  auto address = Destination::parse(rest);
  if (!address) return wrong(address.error().detail);
  if (address->port == 0) return wrong("a hop has a port other than 0");
  hop.address = *std::move(address);
  hop.text = std::string(scheme->name) + "://" + hop.address.toString();
  return hop;
}

std::string HopPath::text() const {
  std::string all;
  for (const Hop& hop : hops) all += (all.empty() ? "" : " ") + hop.text;
  return all;
}

Result<Route> Route::parse(std::string_view text) {
  const auto phrase = Phrase::parse(
      text, {"to", "from", "command", "user", "resolve", "login", "balance", "pipeline"});
  if (!phrase) return invalid(maskSecrets(phrase.error().detail));
  Route route;
  if (auto read = readPaths(phrase->leading(), route); !read) return read.error();
  if (auto read = readConditions(*phrase, route); !read) return read.error();
  if (auto read = readManner(*phrase, route); !read) return read.error();
  if (auto checked = checkLogins(route); !checked) return checked.error();
  return route;
}

bool Route::concerns(const Subject& subject, Command command) const {
  return listed(commands, command) && listed(users, subject.user) && from.matches(subject.client);
}

bool Route::concernsEveryDestination() const {
  return !to.hasNames() && !to.hasAddresses() && !to.hasPorts();
}

void RouteTable::add(Route route) {
  for (HopPath& path : route.paths) {
    std::string way;
    for (Hop& hop : path.hops) {
      way += hop.text + ' ';
      hop.entry = entries_.try_emplace(way, static_cast<unsigned>(entries_.size())).first->second;
    }
  }
  routes_.push_back(std::move(route));
}

const Route* RouteTable::find(const Subject& subject, Command command, const Destination& destination) const {
  const auto found = std::find_if(routes_.begin(), routes_.end(), [&](const Route& route) {
    return route.concerns(subject, command) && route.to.match(destination) != Match::no;
  });
  return found == routes_.end() ? nullptr : &*found;
}

const Route* RouteTable::findForAll(const Subject& subject, Command command) const {
  const auto found = std::find_if(routes_.begin(), routes_.end(), [&](const Route& route) {
    return route.concerns(subject, command) && route.concernsEveryDestination();
  });
  return found == routes_.end() ? nullptr : &*found;
}

std::vector<Hop> RouteTable::hops() const {
  std::vector<Hop> all;
  for (const Route& route : routes_) {
    for (const HopPath& path : route.paths) all.insert(all.end(), path.hops.begin(), path.hops.end());
  }
  return all;
}

bool RouteTable::passesLogins() const {
  return std::any_of(routes_.begin(), routes_.end(),
                     [](const Route& route) { return route.login != PassLogin::no; });
}

bool RouteTable::usesGssapi() const {
  const std::vector<Hop> all = hops();
  return std::any_of(all.begin(), all.end(), [](const Hop& hop) { return hop.gssapi; });
}

std::string maskSecrets(std::string_view text) {
  std::string masked(text);
  for (std::size_t from = masked.find("://"); from != masked.npos; from = masked.find("://", from)) {
    from += 3;
    const std::size_t end = std::min(masked.find_first_of(" \t", from), masked.size());
    const std::size_t at = masked.rfind('@', end - 1);
    // A file is no secret, only what it holds.
    if (at == masked.npos || at < from || masked[from] == '@') continue;
    const std::size_t colon = masked.find(':', from);
    if (colon < at) masked.replace(colon + 1, at - colon - 1, "***");
  }
  return masked;
}

}  // namespace crossgate
