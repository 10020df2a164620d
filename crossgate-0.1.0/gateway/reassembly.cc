// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/reassembly.h"

#include <algorithm>

#include "lib/invariant.h"

namespace crossgate {
namespace {

constexpr std::size_t fragmentAt = 2;  // behind RSV
constexpr std::uint8_t lastFlag = 0x80;

}  // namespace

std::optional<OctetSpan> Reassembly::add(OctetSpan datagram, std::size_t headerSize, Time now) {
  ensure(headerSize > fragmentAt && headerSize <= datagram.size());
  const std::uint8_t fragment = datagram[fragmentAt];
  const unsigned position = fragment & 0x7fU;
  const OctetSpan payload = datagram.subspan(headerSize);

  if (complete_ || (highest_ > 0 && now >= expires_)) abandon();
  // RFC 1928 abandons at a lower position.  The same one again may as well belong to another datagram, and
  // behind a gap nothing can become whole: so whatever is not the next ends the sequence.
  if (highest_ > 0 && !continues(datagram, headerSize, position)) abandon();
  if (highest_ == 0) {
    if (position != 1) {  // the beginning is missing
      ++dropped_;
      return std::nullopt;
    }
    const OctetSpan header = datagram.first(headerSize);
    whole_.assign(header.begin(), header.end());
    whole_[fragmentAt] = 0;
    headerSize_ = headerSize;
    expires_ = now + patience;
  }
  highest_ = position;
  if (whole_.size() - headerSize_ + payload.size() > maxPayload) {
    abandon();
    return std::nullopt;
  }
  whole_.insert(whole_.end(), payload.begin(), payload.end());
  complete_ = (fragment & lastFlag) != 0;
  if (!complete_) return std::nullopt;
  return OctetSpan(whole_);
}

// All fragments of a sequence go to one destination.
bool Reassembly::continues(OctetSpan datagram, std::size_t headerSize, unsigned position) const noexcept {
  return position == highest_ + 1 && headerSize == headerSize_ &&
         std::equal(datagram.begin() + fragmentAt + 1,
                    datagram.begin() + static_cast<std::ptrdiff_t>(headerSize),
                    whole_.begin() + fragmentAt + 1);
}

void Reassembly::abandon() noexcept {
  if (!complete_) dropped_ += highest_;
  complete_ = false;
  highest_ = 0;
  Octets().swap(whole_);  // an association that rarely has fragments keeps nothing for them
}

}  // namespace crossgate
