// SPDX-License-Identifier: BSD-2-Clause
// OwnAddresses: whether an address is one of this host's.  Interfaces come and go, so the list is
// read again when it is older than a few seconds.
#pragma once

#include <chrono>
#include <set>

#include "lib/address.h"

namespace crossgate {

class OwnAddresses {
 public:
  bool contains(const IpAddress& address);

 private:
  void refresh();

  std::set<IpAddress> addresses_;
  std::chrono::steady_clock::time_point freshUntil_{};
};

}  // namespace crossgate
