// SPDX-License-Identifier: BSD-2-Clause
// The nouns of an address: IpAddress (IPv4 or IPv6), Endpoint (with a port) and Destination (an
// address or a domain name, and a port: what a SOCKS request names, RFC 1928, section 4).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "lib/result.h"

namespace crossgate {

enum class Family : std::uint8_t { ipv4, ipv6 };

inline int toAf(Family family) noexcept { return family == Family::ipv4 ? AF_INET : AF_INET6; }
const char* toString(Family family) noexcept;

/// An IPv4 or IPv6 address, with the zone of a link-local one (0: none).
class IpAddress {
 public:
  IpAddress() noexcept = default;  ///< 0.0.0.0
  static IpAddress v4(std::span<const std::uint8_t, 4> octets) noexcept;
  static IpAddress v6(std::span<const std::uint8_t, 16> octets, std::uint32_t zone = 0) noexcept;
  static IpAddress any(Family family) noexcept;
  static IpAddress loopback(Family family) noexcept;
  /// "192.0.2.1", "2001:db8::1", "fe80::1%eth0"; with or without brackets around IPv6.
  static std::optional<IpAddress> parse(std::string_view text);

  Family family() const noexcept { return family_; }
  bool isV4() const noexcept { return family_ == Family::ipv4; }
  /// 4 or 16 octets, network byte order.
  std::span<const std::uint8_t> octets() const noexcept { return {octets_.data(), isV4() ? 4U : 16U}; }
  std::uint32_t zone() const noexcept { return zone_; }
  std::string toString() const;

  bool isUnspecified() const noexcept;
  bool isLoopback() const noexcept;   ///< 127.0.0.0/8, ::1
  bool isLinkLocal() const noexcept;  ///< 169.254.0.0/16, fe80::/10
  bool isMulticast() const noexcept;  ///< 224.0.0.0/4, ff00::/8; and 255.255.255.255

  /// The IPv4 address inside ::ffff:0:0/96; any other address as it is.
  IpAddress unmapped() const noexcept;
  /// The ::ffff:0:0/96 form of an IPv4 address; an IPv6 address as it is.
  IpAddress mapped() const noexcept;
  /// The IPv4 address that an IPv4-mapped, IPv4-compatible, 6to4 (2002::/16) or NAT64 (64:ff9b::/96)
  /// address leads to.
  std::optional<IpAddress> embeddedV4() const noexcept;
  /// fe80::1 of fe80::1%eth0: what can be compared with an address that came by SOCKS, which carries no zone.
  IpAddress withoutZone() const noexcept;
  /// True when the first `bits` bits are those of `network`, which is of the same family.
  bool within(const IpAddress& network, unsigned bits) const noexcept;

  auto operator<=>(const IpAddress&) const noexcept = default;

 private:
  Family family_ = Family::ipv4;
  std::array<std::uint8_t, 16> octets_{};  // IPv4 uses the first four; the rest stays zero
  std::uint32_t zone_ = 0;
};

/// An address and a port; converts to and from sockaddr.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  /// Empty for a family other than AF_INET and AF_INET6, or a length too short for it.
  static std::optional<Endpoint> from(const sockaddr* address, socklen_t length) noexcept;
  /// "192.0.2.1:80", "[2001:db8::1]:80".
  static std::optional<Endpoint> parse(std::string_view text);
  /// Fills `storage` and returns the length of what it holds.
  socklen_t toSockaddr(sockaddr_storage& storage) const noexcept;
  std::string toString() const;
  /// An IPv4-mapped address shown as the IPv4 address it is.
  Endpoint unmapped() const noexcept { return {address.unmapped(), port}; }

  auto operator<=>(const Endpoint&) const noexcept = default;
};

/// The two ends of a socket; empty when the kernel has no answer.
std::optional<Endpoint> localEndpoint(int fd) noexcept;
std::optional<Endpoint> peerEndpoint(int fd) noexcept;

/// The longest domain name a SOCKS5 request can carry (one length octet).
inline constexpr std::size_t maxNameOctets = 255;

/// True for 1 to 255 octets without NUL.
bool isValidName(std::string_view name) noexcept;
/// True when every octet may stand in a host's name: letters, digits, '-', '_', the dot, and octets of other
/// scripts.  What else there is, a backslash above all, means something to those who resolve names.
bool isHostName(std::string_view name) noexcept;
/// Lower case and without the final dot: the form in which names are compared.
std::string canonicalName(std::string_view name);

/// What a request names: an address or a domain name, and a port.
struct Destination {
  std::variant<IpAddress, std::string> host;
  std::uint16_t port = 0;

  /// A host as it was typed or sent: a literal address of either family is an address (RFC 3089,
  /// section 3), anything else a name.
  static Destination of(std::string_view host, std::uint16_t port);
  /// "host:port", "[2001:db8::1]:80"; names what is wrong otherwise.
  static Result<Destination> parse(std::string_view text);

  const IpAddress* address() const noexcept { return std::get_if<IpAddress>(&host); }
  const std::string* name() const noexcept { return std::get_if<std::string>(&host); }
  std::string hostText() const;
  std::string toString() const;

  bool operator==(const Destination&) const = default;
};

/// A decimal port, 0 to 65535.
std::optional<std::uint16_t> parsePort(std::string_view text) noexcept;

}  // namespace crossgate
