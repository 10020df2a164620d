// SPDX-License-Identifier: BSD-2-Clause
// The protection of messages that both sides of the GSSAPI method agree on (RFC 1961, section 4), and
// what the configuration says about the method, without a word of the GSSAPI itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace crossgate {

enum class GssLevel : std::uint8_t {
  none = 0,  ///< not in the RFC: authentication alone, the only thing curl asks for
  integrity = 1,
  confidentiality = 2,
  selective = 3,  ///< each message as its sender likes
};
const char* toString(GssLevel level) noexcept;
std::optional<GssLevel> parseGssLevel(std::string_view word) noexcept;

/// [gssapi]
struct GssConfig {
  std::string keytab;            ///< empty: Kerberos's own default
  std::vector<GssLevel> levels;  ///< those a client may have
  bool nec = false;              ///< the level may come unwrapped, as the NEC reference sends it
  bool shortNames = false;       ///< alice, not alice@REALM, for principals of our own realm
};

/// The level the Gateway answers to a client that wants `wanted`: that one where it may have it, else
/// the nearest that protects more, else (for a client of the RFC's levels) the strongest there is, which
/// it may decline.  Empty: the client wants less than it must have.
std::optional<GssLevel> agreeOn(std::uint8_t wanted, const std::vector<GssLevel>& allowed);

}  // namespace crossgate
