// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/gss_level.h"

#include <algorithm>
#include <array>

namespace crossgate {

const char* toString(GssLevel level) noexcept {
  switch (level) {
    case GssLevel::none: return "none";
    case GssLevel::integrity: return "integrity";
    case GssLevel::confidentiality: return "confidentiality";
    case GssLevel::selective: return "selective";
  }
  return "none";
}

std::optional<GssLevel> parseGssLevel(std::string_view word) noexcept {
  for (const GssLevel level :
       {GssLevel::none, GssLevel::integrity, GssLevel::confidentiality, GssLevel::selective}) {
    if (word == toString(level)) return level;
  }
  return {};
}

std::optional<GssLevel> agreeOn(std::uint8_t wanted, const std::vector<GssLevel>& allowed) {
  const auto may = [&](GssLevel level) {
    return std::find(allowed.begin(), allowed.end(), level) != allowed.end();
  };
  if (wanted > static_cast<std::uint8_t>(GssLevel::selective)) return {};
  if (may(GssLevel{wanted})) return GssLevel{wanted};
  // Who asks for no protection does not wrap what it sends, whatever we answer.
  if (wanted == static_cast<std::uint8_t>(GssLevel::none)) return {};
  for (const GssLevel level : {GssLevel::confidentiality, GssLevel::selective, GssLevel::integrity}) {
    if (may(level)) return level;
  }
  return {};
}

}  // namespace crossgate
