// SPDX-License-Identifier: BSD-2-Clause
// The stage that reaches the destination: resolves its name, and races its addresses of both families
// (Happy Eyeballs version 2, RFC 8305) until one answers.
//
// It owns its attempts; when the Task is destroyed they are gone, and so is the look-up.
#pragma once

#include <chrono>
#include <optional>

#include "gateway/connection.h"
#include "gateway/name_lookup.h"
#include "gateway/resolver.h"
#include "gateway/stream.h"
#include "lib/address.h"

namespace crossgate {

struct DialOptions {
  Preference prefer = Preference::ipv6;
  std::optional<IpAddress> sourceV4;  ///< [external] address
  std::optional<IpAddress> sourceV6;
  bool keepalive = true;
};

/// RFC 8305, section 8.
inline constexpr std::chrono::milliseconds connectionAttemptDelay{250};
inline constexpr std::chrono::milliseconds resolutionDelay{50};

/// Connects to `destination`.  Fails with the most telling failure of all addresses: refused before
/// timedOut before hostUnreachable before networkUnreachable before denied; noSuchName when there are none.
Task<Result<Connection>> dial(Resolver& resolver, DialOptions options, Destination destination, Admit admit,
                              Deadline deadline);

}  // namespace crossgate
