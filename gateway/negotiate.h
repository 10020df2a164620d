// SPDX-License-Identifier: BSD-2-Clause
// The first stage of a session: the client offers methods, we choose one (RFC 1928, section 3).
#pragma once

#include <span>

#include "gateway/stream.h"
#include "lib/socks5.h"

namespace crossgate {

struct Negotiated {
  socks5::Method method = socks5::Method::none;
  unsigned passedGateways = 0;  ///< by the client's request, as it tells
};

/// Chooses the first of `acceptable` that the client offers and tells it.  Failure::denied when there is
/// none (the client has been told FF), malformed for octets that are no greeting.
Task<Result<Negotiated>> negotiate(Stream& client, Inbox& inbox, std::span<const socks5::Method> acceptable,
                                   Deadline deadline);

}  // namespace crossgate
