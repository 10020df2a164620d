// SPDX-License-Identifier: BSD-2-Clause
// gethostbyname(), gethostbyaddr() and their kin: the older forms of names.cc.
//
// The plain forms answer in memory of the thread, the _r forms in the caller's, which must be large
// enough (ERANGE otherwise, and callers come again with more).
#include <netdb.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "socksify/cancellation.h"
#include "socksify/names.h"
#include "socksify/real.h"
#include "socksify/socks_lib.h"

namespace crossgate::socksify {
namespace {

// A name of 255 octets, an address, three pointers, and their alignment.
constexpr std::size_t answerOctets = 512;

/// Lays things out in the caller's buffer.
class Arena {
 public:
  Arena(char* buffer, std::size_t size) noexcept : at_(buffer), left_(buffer == nullptr ? 0 : size) {}

  void* take(std::size_t octets, std::size_t alignment) noexcept {
    const auto misaligned = reinterpret_cast<std::uintptr_t>(at_) % alignment;
    const std::size_t padding = misaligned == 0 ? 0 : alignment - misaligned;
    if (left_ < padding + octets) return nullptr;
    char* const place = at_ + padding;
    at_ = place + octets;
    left_ -= padding + octets;
    return place;
  }

 private:
  char* at_;
  std::size_t left_;
};

// 0 or ERANGE.
int fill(hostent& host, const std::string& name, const IpAddress& address, char* buffer,
         std::size_t size) noexcept {
  Arena arena(buffer, size);
  const auto octets = address.octets();
  auto* list = static_cast<char**>(arena.take(3 * sizeof(char*), alignof(char*)));
  auto* data = static_cast<char*>(arena.take(octets.size(), alignof(in6_addr)));
  auto* text = static_cast<char*>(arena.take(name.size() + 1, 1));
  if (list == nullptr || data == nullptr || text == nullptr) return ERANGE;
  std::memcpy(text, name.c_str(), name.size() + 1);
  std::memcpy(data, octets.data(), octets.size());
  list[0] = data;
  list[1] = nullptr;
  list[2] = nullptr;  // the empty list of aliases
  host.h_name = text;
  host.h_aliases = &list[2];
  host.h_addrtype = toAf(address.family());
  host.h_length = static_cast<int>(octets.size());
  host.h_addr_list = list;
  return 0;
}

enum class Answered : std::uint8_t { bySystem, byUs };

// Fills in *result, *error (an h_errno) and the code of the _r functions.
[[gnu::noinline]] Answered byName(const char* name, int family, hostent& host, char* buffer, std::size_t size,
                                  hostent** result, int* error, int& code) noexcept {
  const KeepErrno keep;
  const Uncancelled whole;
  const Lookup lookup = lookUp(name, family, 0, false);
  if (lookup.kind == Lookup::Kind::system || (family != AF_INET && family != AF_INET6))
    return Answered::bySystem;
  *result = nullptr;
  *error = HOST_NOT_FOUND;
  code = 0;
  FakeIp fake;
  if (lookup.kind == Lookup::Kind::failed) {
    if (lookup.code == EAI_FAIL) *error = NO_RECOVERY;
    return Answered::byUs;
  }
  if (fakeFor(name, family == AF_INET ? Family::ipv4 : Family::ipv6, fake) != 0) {
    *error = NO_RECOVERY;
    return Answered::byUs;
  }
  code = fill(host, name, fake, buffer, size);
  *error = code == 0 ? NETDB_SUCCESS : NETDB_INTERNAL;
  if (code == 0) *result = &host;
  return Answered::byUs;
}

[[gnu::noinline]] void noteOwnAnswers(const char* name, const hostent* host) noexcept {
  if (host == nullptr) return;
  const KeepErrno keep;
  const Uncancelled whole;
  for (char* const* each = host->h_addr_list; *each != nullptr; ++each) {
    const auto* octets = reinterpret_cast<const std::uint8_t*>(*each);
    noteOwnAnswer(name, host->h_addrtype == AF_INET ? IpAddress::v4(std::span<const std::uint8_t, 4>(octets, 4))
                                                    : IpAddress::v6(std::span<const std::uint8_t, 16>(octets, 16)));
  }
}

int byAddress(const void* address, socklen_t length, int family, hostent& host, char* buffer,
              std::size_t size, hostent** result, int* error) noexcept {
  const KeepErrno keep;
  const Uncancelled whole;
  *result = nullptr;
  *error = HOST_NOT_FOUND;
  const auto* octets = static_cast<const std::uint8_t*>(address);
  std::optional<IpAddress> known;
  if (family == AF_INET && length >= 4) known = IpAddress::v4(std::span<const std::uint8_t, 4>(octets, 4));
  if (family == AF_INET6 && length >= 16)
    known = IpAddress::v6(std::span<const std::uint8_t, 16>(octets, 16));
  if (!known) return 0;
  const auto name = nameOf(*known);
  if (!name) return 0;
  const int code = fill(host, *name, *known, buffer, size);
  *error = code == 0 ? NETDB_SUCCESS : NETDB_INTERNAL;
  if (code == 0) *result = &host;
  return code;
}

struct ThreadAnswer {
  hostent host;
  std::array<char, answerOctets> buffer;
};
ThreadAnswer& threadAnswer() noexcept {
  static thread_local ThreadAnswer answer;
  return answer;
}

}  // namespace
}  // namespace crossgate::socksify

using namespace crossgate::socksify;

extern "C" {

hostent* gethostbyname2(const char* name, int family) {
  ThreadAnswer& own = threadAnswer();
  hostent* result = nullptr;
  int code = 0;
  int error = 0;
  if (byName(name, family, own.host, own.buffer.data(), own.buffer.size(), &result, &error, code) ==
      Answered::bySystem) {
    result = real().gethostbyname2(name, family);
    noteOwnAnswers(name, result);
    return result;
  }
  h_errno = error;
  return result;
}

hostent* gethostbyname(const char* name) { return gethostbyname2(name, AF_INET); }

int gethostbyname2_r(const char* name, int family, hostent* host, char* buffer, size_t size, hostent** result,
                     int* error) {
  int code = 0;
  if (byName(name, family, *host, buffer, size, result, error, code) == Answered::bySystem) {
    code = real().gethostbyname2_r(name, family, host, buffer, size, result, error);
    noteOwnAnswers(name, *result);
  }
  return code;
}

int gethostbyname_r(const char* name, hostent* host, char* buffer, size_t size, hostent** result,
                    int* error) {
  return gethostbyname2_r(name, AF_INET, host, buffer, size, result, error);
}

hostent* gethostbyaddr(const void* address, socklen_t length, int family) {
  ThreadAnswer& own = threadAnswer();
  hostent* result = nullptr;
  int error = 0;
  byAddress(address, length, family, own.host, own.buffer.data(), own.buffer.size(), &result, &error);
  h_errno = error;
  return result;
}

int gethostbyaddr_r(const void* address, socklen_t length, int family, hostent* host, char* buffer,
                    size_t size, hostent** result, int* error) {
  return byAddress(address, length, family, *host, buffer, size, result, error);
}

}  // extern "C"
