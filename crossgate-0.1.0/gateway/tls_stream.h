// SPDX-License-Identifier: BSD-2-Clause
// TlsStream: a Stream that speaks TLS over another Stream: plain TCP, or a tunnel through a hop.
//
// OpenSSL reads from the Stream below when it needs to, and what it wants to send is collected here and
// sent in one piece, so that it never waits for writing.  Renegotiation is refused; the end of a direction
// is close_notify, and a peer that ends without one has cut the stream off: ECONNRESET.
#pragma once

#include "gateway/tls_handles.h"
#include "gateway/stream.h"
#include "gateway/tls_context.h"

namespace crossgate {

class TlsStream final : public Stream {
 public:
  /// `ssl` is at its beginning.  `early` holds what was read from `below` already.
  TlsStream(std::unique_ptr<Stream> below, SslPtr ssl, OctetSpan early = {});

  /// To be awaited before anything else.  Failure::denied when a certificate is not accepted, malformed
  /// when no TLS comes about (the detail says why), peerGone, timedOut.
  Task<Result<void>> handshake(Deadline deadline);

  Io read(std::span<std::uint8_t> into) override;
  /// After wantWrite the same octets must be offered again.
  Io write(OctetSpan from) override;
  Io finish() override;
  Socket& socket() noexcept override { return below_->socket(); }

  const SSL& ssl() const noexcept { return *ssl_; }
  /// "TLSv1.3"
  const char* version() const noexcept { return SSL_get_version(ssl_.get()); }
  bool resumed() const noexcept { return SSL_session_reused(ssl_.get()) == 1; }

 private:
  friend struct TlsBio;
  int readBelow(std::span<std::uint8_t> into) noexcept;
  Io flush();
  Io::State wantedByHandshake(int error, const Io& flushed) const;
  Error handshakeError(int error);
  Io readFailure(int result);

  std::unique_ptr<Stream> below_;
  SslPtr ssl_;
  Octets early_;
  Octets pending_;                             // ciphertext that the Stream below has not taken yet
  std::size_t accepted_ = 0;                   // octets of the write() whose ciphertext is pending
  Io::State readWants_ = Io::State::wantRead;  // what the Stream below wanted when it was read last
  int error_ = 0;                              // its errno, once it has failed
  bool eof_ = false;
  bool finishing_ = false;
};

/// The first octet of a TLS client: a record of the handshake (RFC 8446, section 5.1).  No SOCKS client
/// begins with it.
inline constexpr std::uint8_t tlsHandshakeRecord = 0x16;

/// A TLS connection to `host` (a name or an address, which the certificate must be for) over `below`.
Task<Result<std::unique_ptr<Stream>>> connectTls(std::unique_ptr<Stream> below, const TlsClient& client,
                                                 std::string host, Deadline deadline);

}  // namespace crossgate
