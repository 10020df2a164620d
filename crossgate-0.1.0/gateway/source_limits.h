// SPDX-License-Identifier: BSD-2-Clause
// SourceLimits: how many relays each source has, so that none takes them all.  The master's own, so
// it needs no sharing; an entry exists only while its source has a relay.
#pragma once

#include <map>

#include "lib/address.h"

namespace crossgate {

class SourceLimits {
 public:
  /// Counts one more relay of a source; false, and not counted, when it has `limit` already (0: none).
  bool enter(const IpAddress& source, unsigned limit);
  void leave(const IpAddress& source);
  /// What counts as one source: an IPv4 address, or all of an IPv6 /64, since a host may have it all.
  static IpAddress keyOf(const IpAddress& source);

 private:
  std::map<IpAddress, unsigned> relays_;
};

}  // namespace crossgate
