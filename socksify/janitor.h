// SPDX-License-Identifier: BSD-2-Clause
// The janitor of a socksified tree: a process that stays behind, in nobody's way, removes the file of the
// tree's memory when the last process of the tree has gone, and until then keeps the private gateway, where
// there is one.
//
// It is no child of the program's (which may wait for all of those), not of its session, and holds none of its
// descriptors, or a pipeline would wait for it; only stderr, where the private gateway's complaints are
// to be told.
#pragma once

#include <cstdint>
#include <string>

#include "lib/result.h"

namespace crossgate::socksify {

struct Household {
  std::string memory;          ///< the file's path
  std::string gateway;         ///< the crossgate to start; empty: none
  std::string gatewayConfig;
  bool tells = false;          ///< what the private gateway complains of, on stderr
};

/// Starts the janitor of the tree that this process will be.  The private gateway's port, 0 where there is none.
Result<std::uint16_t> startJanitor(const Household& house);

}  // namespace crossgate::socksify
