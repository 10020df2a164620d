// SPDX-License-Identifier: BSD-2-Clause
// A connection with the destination, however it came about: dialled, accepted (BIND), or through a chain.
#pragma once

#include <memory>

#include "gateway/stream.h"
#include "lib/address.h"

namespace crossgate {

struct Connection {
  std::unique_ptr<Stream> stream;
  Endpoint peer;   ///< the address that answered, or that came
  Endpoint local;  ///< the Gateway's own end
};

}  // namespace crossgate
