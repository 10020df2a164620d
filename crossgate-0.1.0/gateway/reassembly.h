// SPDX-License-Identifier: BSD-2-Clause
// Reassembly: the queue and the timer by which the fragments of a datagram become whole (RFC 1928,
// section 7).  One per association, without I/O and without a clock of its own.
//
// The RFC abandons a sequence when a fragment with a lower number than the highest one processed
// arrives, so a gap can never be filled: only a sequence that arrives in order becomes whole, and the
// queue is never larger than one datagram.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "lib/octets.h"

namespace crossgate {

class Reassembly {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// RFC 1928: no less than 5 seconds.
  static constexpr std::chrono::seconds patience{5};
  /// The most that the whole may have beside its header.
  static constexpr std::size_t maxPayload = 65507;

  /// Takes a datagram whose FRAG is not 0 and whose header is `headerSize` octets long.  Once the last
  /// fragment is in, gives the whole with its header (FRAG 0), which stands until the next call.
  std::optional<OctetSpan> add(OctetSpan datagram, std::size_t headerSize, Time now);

  /// A datagram that stands alone has arrived: its FRAG, 0, is lower than that of any fragment.
  void interrupt() noexcept {
    if (highest_ > 0) abandon();
  }

  /// Fragments that were dropped so far: with their sequence, or because they belong to none.
  std::uint64_t dropped() const noexcept { return dropped_; }
  /// Octets held.
  std::size_t held() const noexcept { return whole_.capacity(); }

 private:
  bool continues(OctetSpan datagram, std::size_t headerSize, unsigned position) const noexcept;
  void abandon() noexcept;

  Octets whole_;  // the header of the first fragment, then the payloads
  std::size_t headerSize_ = 0;
  unsigned highest_ = 0;  // the last position taken; 0: no sequence
  Time expires_{};
  std::uint64_t dropped_ = 0;
  bool complete_ = false;  // whole_ was given away by the last call
};

}  // namespace crossgate
