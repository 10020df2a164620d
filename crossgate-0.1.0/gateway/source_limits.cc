// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/source_limits.h"

#include <algorithm>
#include <array>

namespace crossgate {

IpAddress SourceLimits::keyOf(const IpAddress& source) {
  const IpAddress address = source.unmapped();
  if (address.isV4()) return address;
  std::array<std::uint8_t, 16> network{};
  std::copy_n(address.octets().begin(), 8, network.begin());
  return IpAddress::v6(network);
}

bool SourceLimits::enter(const IpAddress& source, unsigned limit) {
  unsigned& count = relays_[keyOf(source)];
  if (limit != 0 && count >= limit) return false;
  ++count;
  return true;
}

void SourceLimits::leave(const IpAddress& source) {
  const auto found = relays_.find(keyOf(source));
  if (found != relays_.end() && --found->second == 0) relays_.erase(found);
}

}  // namespace crossgate
