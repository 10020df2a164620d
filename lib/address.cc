// SPDX-License-Identifier: BSD-2-Clause
#include "lib/address.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace crossgate {
namespace {

constexpr std::array<std::uint8_t, 12> mappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::array<std::uint8_t, 12> nat64Prefix{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};
constexpr std::array<std::uint8_t, 12> compatiblePrefix{};

template <std::size_t N>
bool startsWith(std::span<const std::uint8_t> octets, const std::array<std::uint8_t, N>& prefix) {
  return octets.size() >= N && std::equal(prefix.begin(), prefix.end(), octets.begin());
}

std::optional<std::uint32_t> parseZone(const char* text) {
  if (const unsigned index = if_nametoindex(text); index != 0) return index;
  std::uint32_t index = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, index);
  if (error != std::errc{} || stop != end || index == 0) return std::nullopt;
  return index;
}

}  // namespace

const char* toString(Family family) noexcept { return family == Family::ipv4 ? "ipv4" : "ipv6"; }

IpAddress IpAddress::v4(std::span<const std::uint8_t, 4> octets) noexcept {
  IpAddress address;
  std::copy(octets.begin(), octets.end(), address.octets_.begin());
  return address;
}

IpAddress IpAddress::v6(std::span<const std::uint8_t, 16> octets, std::uint32_t zone) noexcept {
  IpAddress address;
  address.family_ = Family::ipv6;
  address.zone_ = zone;
  std::copy(octets.begin(), octets.end(), address.octets_.begin());
  return address;
}

IpAddress IpAddress::any(Family family) noexcept {
  IpAddress address;
  address.family_ = family;
  return address;
}

IpAddress IpAddress::loopback(Family family) noexcept {
  IpAddress address = any(family);
  if (family == Family::ipv4) {
    address.octets_ = {127, 0, 0, 1};
  } else {
    address.octets_[15] = 1;
  }
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
    if (text.find(':') == text.npos) return std::nullopt;
  }
  if (text.size() >= sizeof buffer || text.find('\0') != text.npos) return std::nullopt;
  text.copy(buffer, text.size());
  buffer[text.size()] = '\0';

  std::array<std::uint8_t, 4> four;
  if (inet_pton(AF_INET, buffer, four.data()) == 1) return v4(four);

  std::uint32_t zone = 0;
  if (char* percent = std::strchr(buffer, '%'); percent != nullptr) {
    *percent = '\0';
    const auto index = parseZone(percent + 1);
    if (!index) return std::nullopt;
    zone = *index;
  }
  std::array<std::uint8_t, 16> sixteen;
  if (inet_pton(AF_INET6, buffer, sixteen.data()) == 1) return v6(sixteen, zone);
  return std::nullopt;
}

namespace {

std::string dottedQuad(std::span<const std::uint8_t> octets) {
  char text[INET_ADDRSTRLEN];
  char* end = text;
  for (const std::uint8_t octet : octets) {
    if (end != text) *end++ = '.';
    end = std::to_chars(end, text + sizeof text, octet).ptr;
  }
  return {text, end};
}

}  // namespace

std::string IpAddress::toString() const {
  if (isV4()) return dottedQuad(octets());
  char text[INET6_ADDRSTRLEN];
  if (inet_ntop(AF_INET6, octets_.data(), text, sizeof text) == nullptr) return "?";
  std::string result = text;
  if (zone_ != 0) {
    char name[IF_NAMESIZE];
    result += '%';
    result += if_indextoname(zone_, name) != nullptr ? std::string(name) : std::to_string(zone_);
  }
  return result;
}

bool IpAddress::isUnspecified() const noexcept {
  const auto all = octets();
  return std::all_of(all.begin(), all.end(), [](std::uint8_t octet) { return octet == 0; });
}

bool IpAddress::isLoopback() const noexcept {
  return isV4() ? octets_[0] == 127 : within(loopback(Family::ipv6), 128);
}

bool IpAddress::isLinkLocal() const noexcept {
  return isV4() ? octets_[0] == 169 && octets_[1] == 254 : octets_[0] == 0xfe && (octets_[1] & 0xc0) == 0x80;
}

bool IpAddress::isMulticast() const noexcept {
  if (!isV4()) return octets_[0] == 0xff;
  const auto all = octets();
  return (octets_[0] & 0xf0) == 0xe0 ||
         std::all_of(all.begin(), all.end(), [](std::uint8_t octet) { return octet == 255; });
}

IpAddress IpAddress::unmapped() const noexcept {
  if (isV4() || !startsWith(octets(), mappedPrefix)) return *this;
  return v4(octets().last<4>());
}

IpAddress IpAddress::mapped() const noexcept {
  if (!isV4()) return *this;
  IpAddress address = any(Family::ipv6);
  std::copy(mappedPrefix.begin(), mappedPrefix.end(), address.octets_.begin());
  std::copy_n(octets_.begin(), 4, address.octets_.begin() + 12);
  return address;
}

IpAddress IpAddress::withoutZone() const noexcept {
  IpAddress address = *this;
  address.zone_ = 0;
  return address;
}

std::optional<IpAddress> IpAddress::embeddedV4() const noexcept {
  if (isV4()) return std::nullopt;
  const auto all = octets();
  if (startsWith(all, mappedPrefix) || startsWith(all, nat64Prefix)) return v4(all.last<4>());
  if (octets_[0] == 0x20 && octets_[1] == 0x02) return v4(all.subspan<2, 4>());
  // ::/96 holds the deprecated IPv4-compatible form, but also :: and ::1.
  if (startsWith(all, compatiblePrefix) && !isUnspecified() && !isLoopback()) return v4(all.last<4>());
  return std::nullopt;
}

bool IpAddress::within(const IpAddress& network, unsigned bits) const noexcept {
  if (family_ != network.family_) return false;
  const unsigned whole = bits / 8;
  if (!std::equal(octets_.begin(), octets_.begin() + whole, network.octets_.begin())) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - bits % 8));
  return ((octets_[whole] ^ network.octets_[whole]) & mask) == 0;
}

std::optional<Endpoint> Endpoint::from(const sockaddr* address, socklen_t length) noexcept {
  if (address == nullptr || length < sizeof(sa_family_t)) return std::nullopt;
  if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof in);
    std::array<std::uint8_t, 4> octets;
    std::memcpy(octets.data(), &in.sin_addr, octets.size());
    return Endpoint{IpAddress::v4(octets), ntohs(in.sin_port)};
  }
  // RFC 2133 programs pass a sockaddr_in6 without the scope id: 24 octets.
  constexpr socklen_t withoutScope = offsetof(sockaddr_in6, sin6_scope_id);
  if (address->sa_family == AF_INET6 && length >= withoutScope) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, std::min<std::size_t>(length, sizeof in));
    std::array<std::uint8_t, 16> octets;
    std::memcpy(octets.data(), &in.sin6_addr, octets.size());
    return Endpoint{IpAddress::v6(octets, in.sin6_scope_id), ntohs(in.sin6_port)};
  }
  return std::nullopt;
}

socklen_t Endpoint::toSockaddr(sockaddr_storage& storage) const noexcept {
  storage = {};
  if (address.isV4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.octets().data(), 4);
    std::memcpy(&storage, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  in.sin6_scope_id = address.zone();
  std::memcpy(&in.sin6_addr, address.octets().data(), 16);
  std::memcpy(&storage, &in, sizeof in);
  return sizeof in;
}

std::string Endpoint::toString() const {
  std::string text = address.toString();
  if (!address.isV4()) text = "[" + text + "]";
  return text.append(":").append(std::to_string(port));
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const auto destination = Destination::parse(text);
  if (!destination || destination->address() == nullptr) return std::nullopt;
  return Endpoint{*destination->address(), destination->port};
}

std::optional<Endpoint> localEndpoint(int fd) noexcept {
  sockaddr_storage storage;
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (getsockname(fd, address, &length) != 0) return std::nullopt;
  return Endpoint::from(address, length);
}

std::optional<Endpoint> peerEndpoint(int fd) noexcept {
  sockaddr_storage storage;
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (getpeername(fd, address, &length) != 0) return std::nullopt;
  return Endpoint::from(address, length);
}

bool isValidName(std::string_view name) noexcept {
  return !name.empty() && name.size() <= maxNameOctets && name.find('\0') == name.npos;
}

bool isHostName(std::string_view name) noexcept {
  return isValidName(name) && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
           c == '.' || (static_cast<unsigned char>(c) & 0x80) != 0;
  });
}

std::string canonicalName(std::string_view name) {
  if (name.size() > 1 && name.back() == '.') name.remove_suffix(1);
  std::string result(name);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

Destination Destination::of(std::string_view host, std::uint16_t port) {
  if (const auto address = IpAddress::parse(host)) return {*address, port};
  return {std::string(host), port};
}

Result<Destination> Destination::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const auto wrong = [&](const char* why) {
    return Error{Failure::invalid, "'" + std::string(text) + "' " + why};
  };
  if (colon == text.npos) return wrong("has no port: write host:port");
  const std::string_view host = text.substr(0, colon);
  const auto port = parsePort(text.substr(colon + 1));
  if (!port) return wrong("has no port from 0 to 65535 after its last colon");
  if (host.find(':') != host.npos && host.front() != '[') {
    return wrong("needs brackets around its IPv6 address: write [address]:port");
  }
  if (host.starts_with('[') && !IpAddress::parse(host)) return wrong("has no IPv6 address in its brackets");
  if (!isValidName(host)) return wrong("has no host of 1 to 255 octets before its last colon");
  return of(host, *port);
}

std::string Destination::hostText() const {
  return address() != nullptr ? address()->toString() : std::get<std::string>(host);
}

std::string Destination::toString() const {
  if (address() != nullptr) return Endpoint{*address(), port}.toString();
  return std::get<std::string>(host) + ":" + std::to_string(port);
}

std::optional<std::uint16_t> parsePort(std::string_view text) noexcept {
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace crossgate
