// SPDX-License-Identifier: BSD-2-Clause
// GssStream: a Stream whose octets travel as encapsulated messages of the GSSAPI method (RFC 1961,
// section 5) over another Stream.
//
// A frame that is no data, whose token does not verify, or that came before, breaks the stream
// (EPROTO), and so do too many empty messages in a row.  It holds one frame in each direction at most,
// and nothing while it is idle.
#pragma once

#include <memory>

#include "gateway/gss_seal.h"
#include "gateway/stream.h"

namespace crossgate {

class GssStream final : public Stream, private DatagramCipher {
 public:
  /// `early` holds what was read from `below` already.
  GssStream(std::unique_ptr<Stream> below, std::unique_ptr<GssSeal> seal, OctetSpan early = {});

  Io read(std::span<std::uint8_t> into) override;
  /// After wantWrite the same octets must be offered again.
  Io write(OctetSpan from) override;
  Io finish() override;
  Socket& socket() noexcept override { return below_->socket(); }
  DatagramCipher* datagrams() noexcept override { return this; }

 private:
  Result<Octets> wrap(OctetSpan datagram) override;
  Result<Octets> unwrap(OctetSpan datagram) override;

  Io receive();
  Result<bool> openFrame();
  Io flush();

  std::unique_ptr<Stream> below_;
  std::unique_ptr<GssSeal> seal_;
  Octets arrived_;  // the beginning of a frame, or more
  std::size_t used_ = 0;
  Octets open_;  // the message of the last frame, as far as it was not read yet
  std::size_t read_ = 0;
  Octets pending_;  // frames that the Stream below has not taken yet
  std::size_t sent_ = 0;
  std::size_t accepted_ = 0;  // octets of the write() whose frames are pending
};

}  // namespace crossgate
