// SPDX-License-Identifier: BSD-2-Clause
// getaddrinfo() and getnameinfo(): names become fakes (RFC 3089, section 2) and fakes names.
//
// The C library itself builds every answer, for a literal address in place of the name, and the fakes
// are written over the literal: so socket types, service names, flags and errors are its own.
#include "socksify/names.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <array>
#include <cstring>

#include "socksify/ask_gateway.h"
#include "socksify/cancellation.h"
#include "socksify/idn.h"
#include "socksify/real.h"
#include "socksify/socks_lib.h"

namespace crossgate::socksify {
namespace {

// inet_aton() takes what getaddrinfo() takes for an IPv4 literal, "127.1" too; but also what has anything
// behind a blank, which would be asked of a name server.
std::optional<IpAddress> literalOf(const char* host) noexcept {
  in_addr ipv4;
  if (std::strpbrk(host, " \t\n\v\f\r") == nullptr && ::inet_aton(host, &ipv4) != 0) {
    std::array<std::uint8_t, 4> octets;
    std::memcpy(octets.data(), &ipv4, octets.size());
    return IpAddress::v4(octets);
  }
  return std::strchr(host, ':') == nullptr ? std::nullopt : IpAddress::parse(host);
}

// A literal of the family that the program can't hold is a name to it, except where it means this host.
Lookup lookUpLiteral(const IpAddress& literal, int family, bool mapped) noexcept {
  const bool held = literal.isV4() ? family != AF_INET6 || mapped : family != AF_INET;
  if (held) return {};
  if (literal.isLoopback() || literal.isUnspecified()) return {Lookup::Kind::failed, EAI_ADDRFAMILY};
  return {Lookup::Kind::fake};
}

void overwrite(addrinfo* list, const FakeIp& fake) noexcept {
  for (; list != nullptr; list = list->ai_next) {
    auto endpoint = Endpoint::from(list->ai_addr, list->ai_addrlen);
    if (!endpoint) continue;
    endpoint->address = fake;
    sockaddr_storage storage;
    const socklen_t length = endpoint->toSockaddr(storage);
    if (length == list->ai_addrlen) std::memcpy(list->ai_addr, &storage, length);
  }
}

addrinfo** endOf(addrinfo** list) noexcept {
  while (*list != nullptr) list = &(*list)->ai_next;
  return list;
}

// Adds the entries for one family to `list`.
int addFakes(const char* node, const char* service, const addrinfo& asked, Family family,
             addrinfo** list) noexcept {
  FakeIp fake;
  if (const int code = fakeFor(node, family, fake); code != 0) return code;
  addrinfo hints = asked;
  hints.ai_family = toAf(family);
  // AI_ADDRCONFIG looks at this host's interfaces, which say nothing of what the Gateway can reach.
  hints.ai_flags = (asked.ai_flags & ~(AI_ADDRCONFIG | AI_V4MAPPED | AI_ALL | AI_IDN)) | AI_NUMERICHOST;
  addrinfo** const end = endOf(list);
  const char* literal = family == Family::ipv4 ? "127.0.0.1" : "::1";
  if (const int code = real().getaddrinfo(literal, service, &hints, end); code != 0) {
    *end = nullptr;
    return code;
  }
  overwrite(*end, fake);
  return 0;
}

int setCanonicalName(addrinfo* list, const char* name) noexcept {
  char* copy = ::strdup(name);
  if (copy == nullptr) return EAI_MEMORY;
  std::free(list->ai_canonname);
  list->ai_canonname = copy;
  // The literal's own must not be left on a second family's first entry.
  for (addrinfo* entry = list->ai_next; entry != nullptr; entry = entry->ai_next) {
    std::free(entry->ai_canonname);
    entry->ai_canonname = nullptr;
  }
  return 0;
}

int answerWithFakes(const char* node, const char* service, const addrinfo& hints,
                    addrinfo** result) noexcept {
  const LookupFamily chosen = SocksLib::get().config().family;
  const bool any = hints.ai_family == AF_UNSPEC;
  const bool ipv4 = any ? chosen != LookupFamily::ipv6 : hints.ai_family == AF_INET;
  const bool ipv6 = any ? chosen != LookupFamily::ipv4 : hints.ai_family == AF_INET6;
  addrinfo* list = nullptr;
  int code = 0;
  if (ipv4) code = addFakes(node, service, hints, Family::ipv4, &list);
  if (code == 0 && ipv6) code = addFakes(node, service, hints, Family::ipv6, &list);
  if (code == 0 && (hints.ai_flags & AI_CANONNAME) != 0) {
    const std::string shown = (hints.ai_flags & AI_CANONIDN) != 0 ? fromAscii(node) : node;
    code = setCanonicalName(list, shown.c_str());
  }
  if (code != 0) {
    if (list != nullptr) real().freeaddrinfo(list);
    return code;
  }
  *result = list;
  return 0;
}

// The port, when it can be told without a look-up: `direct` patterns may ask for it.
std::uint16_t numericPort(const char* service) noexcept {
  return service == nullptr ? std::uint16_t{0} : parsePort(service).value_or(0);
}

// True when the answer, or its failure, is ours to give.
[[gnu::noinline]] bool answerOurselves(const char* node, const char* service, const addrinfo& asked,
                                       addrinfo** result, int& code) noexcept {
  const KeepErrno keep;
  const Uncancelled whole;
  std::string name = node;
  code = (asked.ai_flags & AI_IDN) != 0 ? toAscii(node, name) : 0;
  if (code != 0) return true;
  const Lookup lookup =
      lookUp(name.c_str(), asked.ai_family, numericPort(service), (asked.ai_flags & AI_V4MAPPED) != 0);
  if (lookup.kind == Lookup::Kind::failed) code = lookup.code;
  if (lookup.kind == Lookup::Kind::fake) code = answerWithFakes(name.c_str(), service, asked, result);
  return lookup.kind != Lookup::Kind::system;
}

[[gnu::noinline]] void noteOwnAnswers(const char* node, const addrinfo& asked, const addrinfo* list) noexcept {
  const KeepErrno keep;
  const Uncancelled whole;
  std::string name = node;
  if ((asked.ai_flags & AI_IDN) != 0 && toAscii(node, name) != 0) return;
  for (; list != nullptr; list = list->ai_next) {
    if (const auto endpoint = Endpoint::from(list->ai_addr, list->ai_addrlen))
      noteOwnAnswer(name.c_str(), endpoint->address);
  }
}

[[gnu::noinline]] int nameEndpoint(const Endpoint& endpoint, const sockaddr* address, socklen_t length,
                                   char* host, socklen_t hostSize, char* service, socklen_t serviceSize,
                                   int flags) noexcept {
  const Uncancelled whole;
  // The C library says all but the name; it would ask a name server for that.
  const int numeric = (flags & ~NI_NAMEREQD) | NI_NUMERICHOST;
  const int code = real().getnameinfo(address, length, host, hostSize, service, serviceSize, numeric);
  if (code != 0 && code != EAI_OVERFLOW) return code;
  const KeepErrno keep;
  auto name = nameOf(endpoint.address);
  if (name && (flags & NI_IDN) != 0) name = fromAscii(*name);
  if (!name) return (flags & NI_NAMEREQD) != 0 ? EAI_NONAME : code;
  if (name->size() >= hostSize) return EAI_OVERFLOW;
  std::memcpy(host, name->c_str(), name->size() + 1);
  if (service == nullptr || serviceSize == 0) return 0;
  return real().getnameinfo(address, length, nullptr, 0, service, serviceSize, flags & ~NI_NAMEREQD);
}

}  // namespace

Lookup lookUp(const char* host, int family, std::uint16_t port, bool mapped) noexcept {
  if (host == nullptr) return {};
  if (const auto literal = literalOf(host)) return lookUpLiteral(*literal, family, mapped);
  SocksLib& lib = SocksLib::get();
  const std::string name = canonicalName(host);
  if (!isValidName(name)) return {Lookup::Kind::failed, EAI_NONAME};
  if (lib.isLocalName(name, port)) return {};
  if (isLocalhost(name)) return {Lookup::Kind::fake};
  if (!lib.trouble().empty()) {
    warnOnce("no name can be looked up: %s", lib.trouble().c_str());
    return {Lookup::Kind::failed, EAI_FAIL};
  }
  if (lib.config().resolve == Resolve::check && !askGatewayForAddress(name))
    return {Lookup::Kind::failed, EAI_NONAME};
  return {Lookup::Kind::fake};
}

int fakeFor(const char* host, Family family, IpAddress& fake) noexcept {
  if (isLocalhost(canonicalName(host))) {
    fake = IpAddress::loopback(family);
    return 0;
  }
  auto assigned = SocksLib::get().names().assign(host, family);
  if (!assigned) {
    tell("%s: %s", host, assigned.error().detail.c_str());
    return assigned.error().failure == Failure::invalid ? EAI_NONAME : EAI_MEMORY;
  }
  fake = *assigned;
  return 0;
}

void noteOwnAnswer(const char* host, const IpAddress& address) noexcept {
  if (!literalOf(host)) SocksLib::get().noteOwnAnswer(canonicalName(host), address.unmapped());
}

bool systemAddress(const char* host, Family family, IpAddress& address) noexcept {
  addrinfo hints{};
  hints.ai_family = toAf(family);
  addrinfo* list = nullptr;
  if (real().getaddrinfo(host, nullptr, &hints, &list) != 0) return false;
  const auto endpoint = Endpoint::from(list->ai_addr, list->ai_addrlen);
  real().freeaddrinfo(list);
  if (!endpoint) return false;
  address = endpoint->address;
  noteOwnAnswer(host, address);
  return true;
}

std::optional<std::string> nameOf(const IpAddress& address) noexcept {
  SocksLib& lib = SocksLib::get();
  const IpAddress plain = address.unmapped();
  if (lib.names().isFake(plain)) return lib.names().lookup(plain);
  if (plain.isLoopback()) return "localhost";
  return askGatewayForName(plain);
}

}  // namespace crossgate::socksify

using namespace crossgate;
using namespace crossgate::socksify;

extern "C" {

int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  constexpr addrinfo none{};
  const addrinfo& asked = hints == nullptr ? none : *hints;
  const bool known =
      asked.ai_family == AF_UNSPEC || asked.ai_family == AF_INET || asked.ai_family == AF_INET6;
  // "*" is the C library's other way of saying no name at all.
  const bool name =
      node != nullptr && std::strcmp(node, "*") != 0 && known && (asked.ai_flags & AI_NUMERICHOST) == 0;
  int code = 0;
  if (name && answerOurselves(node, service, asked, result, code)) return code;
  code = real().getaddrinfo(node, service, hints, result);
  if (name && code == 0) noteOwnAnswers(node, asked, *result);
  return code;
}

int getnameinfo(const sockaddr* address, socklen_t length, char* host, socklen_t hostSize, char* service,
                socklen_t serviceSize, int flags) {
  const auto endpoint = Endpoint::from(address, length);
  if (!endpoint || host == nullptr || hostSize == 0 || (flags & NI_NUMERICHOST) != 0) {
    return real().getnameinfo(address, length, host, hostSize, service, serviceSize, flags);
  }
  return nameEndpoint(*endpoint, address, length, host, hostSize, service, serviceSize, flags);
}

}  // extern "C"
