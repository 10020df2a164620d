// SPDX-License-Identifier: BSD-2-Clause
// res_query(), res_search() and their n forms: programs that make DNS questions with the C library's
// resolver.  A and AAAA are answered with fakes, PTR with the name of a fake or what the Gateway says;
// for every other type the Gateway has no answer, and the question must not go to a local name server:
// the name is said to have no record of that type.  res_send() and res_nsend() take a
// question that the program has built itself, and answer it in the same way.
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "lib/octets.h"
#include "socksify/cancellation.h"
#include "socksify/names.h"
#include "socksify/real.h"
#include "socksify/socks_lib.h"

// The header gives these names to the functions by macros; a hook needs the real ones.
#undef res_query
#undef res_search
#undef res_send
#undef res_nquery
#undef res_nsearch
#undef res_nsend
#undef res_querydomain
#undef res_nquerydomain

namespace crossgate::socksify {
namespace {

constexpr std::size_t headerOctets = 12;
constexpr std::uint16_t answerFlags = 0x8180;  // a response, recursion desired and available
constexpr std::uint16_t noSuchName = 3;        // RCODE (RFC 1035, section 4.1.1)
constexpr std::uint16_t pointerToQuestion = 0xc00c;

struct Question {
  std::uint16_t id = 0;
  std::string name;
  std::uint16_t type = 0;
};

// The labels of a name as they travel (RFC 1035, section 3.1); empty if one is too long.
Octets labels(const std::string& name) {
  Octets out;
  std::size_t at = 0;
  while (at < name.size()) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    if (end == at || end - at > 63) return {};
    Writer(out).u8(static_cast<std::uint8_t>(end - at)).text(std::string_view(name).substr(at, end - at));
    at = end + 1;
  }
  Writer(out).u8(0);
  return out;
}

// The address in "4.3.2.1.in-addr.arpa" or its ip6.arpa form.
std::optional<IpAddress> addressOfPointer(const std::string& name) {
  constexpr std::string_view v4 = ".in-addr.arpa", v6 = ".ip6.arpa";
  if (name.ends_with(v4)) {
    std::string reversed;
    std::string_view rest = std::string_view(name).substr(0, name.size() - v4.size());
    while (!rest.empty()) {
      const auto dot = rest.rfind('.');
      reversed += (reversed.empty() ? "" : ".") + std::string(rest.substr(dot == rest.npos ? 0 : dot + 1));
      rest = dot == rest.npos ? std::string_view() : rest.substr(0, dot);
    }
    return IpAddress::parse(reversed);
  }
  if (!name.ends_with(v6) || name.size() != 63 + v6.size()) return std::nullopt;
  std::string text;
  for (int nibble = 31; nibble >= 0; --nibble) {
    text += name[static_cast<std::size_t>(nibble) * 2];
    if (nibble % 4 == 0 && nibble != 0) text += ':';
  }
  return IpAddress::parse(text);
}

// The data of the answer; empty: there is none of that type.  `exists` tells whether there is the name.
Octets answerTo(const Question& question, bool& exists) {
  Octets data;
  exists = true;
  if (question.type == ns_t_ptr) {
    const auto address = addressOfPointer(canonicalName(question.name));
    const auto name = address ? nameOf(*address) : std::nullopt;
    exists = name.has_value();
    return name ? labels(*name) : data;
  }
  if (question.type != ns_t_a && question.type != ns_t_aaaa) return data;
  const Family family = question.type == ns_t_a ? Family::ipv4 : Family::ipv6;
  const Lookup lookup = lookUp(question.name.c_str(), toAf(family), 0, false);
  FakeIp address = IpAddress::loopback(family);
  exists = lookup.kind != Lookup::Kind::failed;
  if (lookup.kind == Lookup::Kind::fake) exists = fakeFor(question.name.c_str(), family, address) == 0;
  if (exists && lookup.kind == Lookup::Kind::system && !systemAddress(question.name.c_str(), family, address))
    return data;
  if (exists) Writer(data).octets(address.octets());
  return data;
}

// The whole response; `exists` and `found` for h_errno.
Octets respond(const Question& question, bool& exists, bool& found) {
  const Octets name = labels(question.name);
  exists = found = false;
  const Octets data = name.empty() ? Octets() : answerTo(question, exists);
  found = !data.empty();
  Octets out;
  Writer(out)
      .u16(question.id)
      .u16(static_cast<std::uint16_t>(answerFlags | (exists ? 0 : noSuchName)))
      .u16(1)
      .u16(found ? 1 : 0)
      .u16(0)
      .u16(0)
      .octets(name)
      .u16(question.type)
      .u16(ns_c_in);
  if (!found) return out;
  Writer(out).u16(pointerToQuestion).u16(question.type).u16(ns_c_in).u16(0).u16(0);  // TTL 0
  Writer(out).u16(static_cast<std::uint16_t>(data.size())).octets(data);
  return out;
}

int deliver(const Octets& response, unsigned char* answer, int room) noexcept {
  const auto fits = std::min(response.size(), static_cast<std::size_t>(std::max(room, 0)));
  std::copy_n(response.begin(), fits, answer);
  return static_cast<int>(response.size());
}

int query(const char* name, int type, unsigned char* answer, int room) noexcept {
  const Uncancelled whole;
  bool exists = false;
  bool found = false;
  std::string plain = name;
  if (plain.size() > 1 && plain.back() == '.') plain.pop_back();
  const Octets response = respond({0, plain, static_cast<std::uint16_t>(type)}, exists, found);
  if (found) return deliver(response, answer, room);
  h_errno = exists ? NO_DATA : HOST_NOT_FOUND;
  return -1;
}

int queryDomain(const char* name, const char* domain, int type, unsigned char* answer, int room) noexcept {
  const std::string whole = domain == nullptr || *domain == '\0' ? name : std::string(name) + "." + domain;
  return query(whole.c_str(), type, answer, room);
}

int answerMessage(const unsigned char* message, int length, unsigned char* answer, int room) noexcept {
  const Uncancelled whole;
  Reader reader(OctetSpan(message, static_cast<std::size_t>(std::max(length, 0))));
  Question question;
  question.id = reader.u16();
  reader.take(headerOctets - 2);
  for (std::uint8_t label = reader.u8(); reader.ok() && label != 0; label = reader.u8()) {
    if (!question.name.empty()) question.name += '.';
    question.name += reader.text(label);
  }
  question.type = reader.u16();
  if (!reader.ok() || !isValidName(question.name)) {
    errno = EMSGSIZE;
    return -1;
  }
  bool exists = false;
  bool found = false;
  return deliver(respond(question, exists, found), answer, room);
}

}  // namespace
}  // namespace crossgate::socksify

using namespace crossgate::socksify;

// glibc 2.34 and later export the plain names; programs built before ask for those with underscores.
#define BOTH_NAMES(result, name, parameters, body) \
  result name parameters noexcept;                 \
  result __##name parameters noexcept;             \
  result name parameters noexcept body             \
  result __##name parameters noexcept body

extern "C" {

using OwnState = struct __res_state;
BOTH_NAMES(int, res_query, (const char* name, int, int type, unsigned char* answer, int room),
           { return query(name, type, answer, room); })
BOTH_NAMES(int, res_search, (const char* name, int, int type, unsigned char* answer, int room),
           { return query(name, type, answer, room); })
BOTH_NAMES(int, res_nquery, (OwnState*, const char* name, int, int type, unsigned char* answer, int room),
           { return query(name, type, answer, room); })
BOTH_NAMES(int, res_nsearch, (OwnState*, const char* name, int, int type, unsigned char* answer, int room),
           { return query(name, type, answer, room); })
BOTH_NAMES(int, res_querydomain,
           (const char* name, const char* domain, int, int type, unsigned char* answer, int room),
           { return queryDomain(name, domain, type, answer, room); })
BOTH_NAMES(int, res_nquerydomain,
           (OwnState*, const char* name, const char* domain, int, int type, unsigned char* answer, int room),
           { return queryDomain(name, domain, type, answer, room); })
BOTH_NAMES(int, res_send, (const unsigned char* message, int length, unsigned char* answer, int room),
           { return answerMessage(message, length, answer, room); })
BOTH_NAMES(int, res_nsend,
           (OwnState*, const unsigned char* message, int length, unsigned char* answer, int room),
           { return answerMessage(message, length, answer, room); })

}  // extern "C"
