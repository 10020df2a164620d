// SPDX-License-Identifier: BSD-2-Clause
// The stage that copies both ways until both sides have ended.
//
// A direction that ends (FIN) is ended on the other side, the other direction goes on; a reset on one
// side is a reset on the other.  What a slow reader has not taken yet is bounded, because nothing more
// is read for it meanwhile.  Plain TCP on both sides goes through splice(2) while the traffic is bulk,
// through one copy while it is small messages.
#pragma once

#include <chrono>
#include <cstdint>

#include "gateway/pipe_pool.h"
#include "gateway/stream.h"
#include "gateway/traffic.h"

namespace crossgate {

struct RelayTimeouts {
  std::chrono::seconds idle;
  std::chrono::seconds halfClosed;
};

enum class RelayEnd : std::uint8_t { finished, resetByClient, resetByDestination, idle };
const char* toString(RelayEnd end) noexcept;

/// `early` holds what the client sent behind its request.  `traffic` is kept up to date throughout.
Task<RelayEnd> relay(PipePool& pipes, Stream& client, Stream& destination, Inbox& early,
                     RelayTimeouts timeouts, Traffic& traffic);

}  // namespace crossgate
