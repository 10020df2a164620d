// SPDX-License-Identifier: BSD-2-Clause
// What a relay has moved: the relay stage counts it, the account stage tells it.
#pragma once

#include <cstdint>

namespace crossgate {

/// Octets, counted as they are taken from the sender.
struct Traffic {
  std::uint64_t sent = 0;      ///< client to destination
  std::uint64_t received = 0;  ///< destination to client
};

}  // namespace crossgate
