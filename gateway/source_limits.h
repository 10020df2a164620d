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

 private:
  // A host has an IPv4 address, or all of an IPv6 /64.
  static IpAddress keyOf(const IpAddress& source);

  std::map<IpAddress, unsigned> relays_;
};

}  // namespace crossgate
