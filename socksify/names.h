// SPDX-License-Identifier: BSD-2-Clause
// What the look-up functions have in common: who answers a name, and with which address.
#pragma once

#include <optional>
#include <string>

#include "lib/address.h"

namespace crossgate::socksify {

/// How a host given to a look-up function is answered.
struct Lookup {
  enum class Kind : std::uint8_t {
    system,  ///< by the C library: a literal address, this host itself, a `direct` name
    fake,    ///< by us
    failed,  ///< not at all: `code` is the EAI_ code
  } kind = Kind::system;
  int code = 0;
};

/// `family`: AF_INET, AF_INET6, or AF_UNSPEC for both.  `mapped`: an IPv4 literal does for AF_INET6.
Lookup lookUp(const char* host, int family, std::uint16_t port, bool mapped) noexcept;

/// The fake for a name, or the loopback address for what means this host; EAI_ code otherwise.
int fakeFor(const char* host, Family family, IpAddress& fake) noexcept;

/// An address that the C library has found for a name; connect() may be given it next.
void noteOwnAnswer(const char* host, const IpAddress& address) noexcept;

/// What the C library says of a name that is its own to answer; false if it has no such address.
bool systemAddress(const char* host, Family family, IpAddress& address) noexcept;

/// The name of an address: of a fake, or asked of the Gateway.
std::optional<std::string> nameOf(const IpAddress& address) noexcept;

}  // namespace crossgate::socksify
