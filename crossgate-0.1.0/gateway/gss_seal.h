// SPDX-License-Identifier: BSD-2-Clause
// GssSeal: how one side of an established GSSAPI context protects messages.  An interface, so that what
// frames them (gss_stream.h) knows nothing of Kerberos.
#pragma once

#include "lib/octets.h"
#include "lib/result.h"

namespace crossgate {

class GssSeal {
 public:
  GssSeal() = default;
  GssSeal(const GssSeal&) = delete;
  GssSeal& operator=(const GssSeal&) = delete;
  virtual ~GssSeal() = default;

  enum class Order : std::uint8_t {
    strict,  ///< a stream: every message once and in order
    loose,   ///< datagrams: every message at most once
  };

  /// The token that protects `message`, which holds at most largest() octets.
  virtual Result<Octets> wrap(OctetSpan message) = 0;
  /// What a token protects.  An Error: forged, replayed, out of order, or less protected than agreed.
  virtual Result<Octets> unwrap(OctetSpan token, Order order) = 0;
  /// The most octets whose token fits into a frame.
  virtual std::size_t largest() const = 0;
};

}  // namespace crossgate
