// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/tls_stream.h"

#include <algorithm>
#include <cerrno>
#include <new>

namespace crossgate {
namespace {

// Alerts and answers to key updates pile up while a peer sends and does not read.
constexpr std::size_t mostPending = 256 * 1024;

// What OpenSSL has written during the current call; one buffer serves every stream of a worker.
Octets written;

}  // namespace

// OpenSSL's way to the Stream below.
struct TlsBio {
  static TlsStream& stream(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

  static int write(BIO*, const char* data, int size) noexcept {
    const auto* octets = reinterpret_cast<const std::uint8_t*>(data);
    written.insert(written.end(), octets, octets + size);
    return size;
  }

  static int read(BIO* bio, char* into, int size) noexcept {
    BIO_clear_retry_flags(bio);
    const int count =
        stream(bio).readBelow({reinterpret_cast<std::uint8_t*>(into), static_cast<std::size_t>(size)});
    if (count < 0 && stream(bio).error_ == 0) BIO_set_retry_read(bio);
    return count;
  }

  static long control(BIO* bio, int command, long, void*) noexcept {
    if (command == BIO_CTRL_EOF) return stream(bio).eof_ ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static int create(BIO* bio) noexcept {
    BIO_set_init(bio, 1);
    return 1;
  }

  static const BIO_METHOD* method() {
    static const BioMethodPtr made = [] {
      BioMethodPtr method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream"));
      if (!method) throw std::bad_alloc();
      BIO_meth_set_write(method.get(), &TlsBio::write);
      BIO_meth_set_read(method.get(), &TlsBio::read);
      BIO_meth_set_ctrl(method.get(), &TlsBio::control);
      BIO_meth_set_create(method.get(), &TlsBio::create);
      return method;
    }();
    return made.get();
  }
};

TlsStream::TlsStream(std::unique_ptr<Stream> below, SslPtr ssl, OctetSpan early)
    : below_(std::move(below)), ssl_(std::move(ssl)), early_(early.begin(), early.end()) {
  BIO* bio = ssl_ ? BIO_new(TlsBio::method()) : nullptr;
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
}

// A count, 0 at the end, or -1: error_ is set, or readWants_ says what to wait for.
int TlsStream::readBelow(std::span<std::uint8_t> into) noexcept {
  if (!early_.empty()) {
    const std::size_t count = std::min(into.size(), early_.size());
    std::copy_n(early_.begin(), count, into.begin());
    early_.erase(early_.begin(), early_.begin() + static_cast<std::ptrdiff_t>(count));
    if (early_.empty()) early_.shrink_to_fit();
    return static_cast<int>(count);
  }
  // A TlsStream below collects in the same place, and must not take ours for its own.
  Octets ours;
  ours.swap(written);
  const Io io = below_->read(into);
  written.swap(ours);
  switch (io.state) {
    case Io::State::done: return static_cast<int>(io.octets);
    case Io::State::closed: eof_ = true; return 0;
    case Io::State::failed: error_ = io.error; return -1;
    case Io::State::wantRead:
    case Io::State::wantWrite: readWants_ = io.state; return -1;
  }
  return -1;
}

// Sends what OpenSSL has written and what was left before: done when nothing is left.
Io TlsStream::flush() {
  // The Stream below may be a TlsStream as well, and collects its own meanwhile.
  Octets fresh;
  fresh.swap(written);
  OctetSpan left = fresh;
  if (!pending_.empty()) {
    pending_.insert(pending_.end(), fresh.begin(), fresh.end());
    left = pending_;
  }
  Io io{Io::State::done, 0, 0};
  while (!left.empty()) {
    io = below_->write(left);
    if (io.state != Io::State::done) break;
    left = left.subspan(io.octets);
  }
  if (pending_.empty()) {
    pending_.assign(left.begin(), left.end());
  } else {
    pending_.erase(pending_.begin(), pending_.end() - static_cast<std::ptrdiff_t>(left.size()));
  }
  if (pending_.empty()) pending_.shrink_to_fit();
  fresh.clear();
  if (written.capacity() < fresh.capacity()) written.swap(fresh);
  if (pending_.size() > mostPending) return {Io::State::failed, 0, EPROTO};
  return io;
}

// ---- handshake ----------------------------------------------------------------------------------

Task<Result<void>> TlsStream::handshake(Deadline deadline) {
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
    const bool over = error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ;
    Error reason = over ? handshakeError(error) : Error{};
    const Io sent = flush();  // our alert, if it has failed
    if (over) co_return reason;
    if (sent.state == Io::State::failed) co_return systemError("TLS handshake", sent.error);
    if (error == SSL_ERROR_NONE && sent.state == Io::State::done) co_return Result<void>{};
    if (co_await waitFor(*this, wantedByHandshake(error, sent), deadline) != Wake::ready) {
      co_return Error{Failure::timedOut, "the TLS handshake takes too long"};
    }
  }
}

// What we have said must leave before an answer can come.
Io::State TlsStream::wantedByHandshake(int error, const Io& flushed) const {
  return flushed.state == Io::State::done && error == SSL_ERROR_WANT_READ ? readWants_ : flushed.state;
}

Error TlsStream::handshakeError(int error) {
  if (eof_) return {Failure::peerGone, "closed in the middle of the TLS handshake"};
  if (error == SSL_ERROR_SYSCALL) return systemError("TLS handshake", error_ != 0 ? error_ : ECONNRESET);
  const unsigned long code = ERR_peek_error();
  const long verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK) {
    return {Failure::denied, std::string("TLS certificate: ") + X509_verify_cert_error_string(verified)};
  }
  const bool missing = ERR_GET_REASON(code) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
  return {missing ? Failure::denied : Failure::malformed, "TLS handshake: " + takeOpensslError("failed")};
}

// ---- octets -------------------------------------------------------------------------------------

Io TlsStream::read(std::span<std::uint8_t> into) {
  std::size_t total = 0;
  int result = 1;
  ERR_clear_error();
  // One call gives one record; what has arrived already is taken with it.
  do {
    std::size_t count = 0;
    result = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &count);
    total += count;
  } while (result == 1 && total < into.size() && SSL_has_pending(ssl_.get()) == 1);
  const Io io = total > 0 ? Io{Io::State::done, total, 0} : readFailure(result);
  // Reading can make OpenSSL write: an alert, the answer to a key update.  Nobody waits for it.
  if (!written.empty() && flush().state == Io::State::failed) return {Io::State::failed, 0, EPROTO};
  return io;
}

Io TlsStream::readFailure(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_ZERO_RETURN: return {Io::State::closed, 0, 0};
    case SSL_ERROR_WANT_READ: return {readWants_, 0, 0};
    default: break;
  }
  if (error_ != 0) return {Io::State::failed, 0, error_};
  // Once we have said the end, a peer that just closes has nothing more to say (many do).
  if (eof_ && finishing_) return {Io::State::closed, 0, 0};
  return {Io::State::failed, 0, eof_ ? ECONNRESET : EPROTO};
}

Io TlsStream::write(OctetSpan from) {
  if (accepted_ == 0) {
    ERR_clear_error();
    std::size_t count = 0;
    if (SSL_write_ex(ssl_.get(), from.data(), from.size(), &count) != 1) {
      written.clear();
      return {Io::State::failed, 0, error_ != 0 ? error_ : EPROTO};
    }
    accepted_ = count;
  }
  // Told as written only when it has left: whoever waits for more to relay would not come back for it.
  const Io sent = flush();
  if (sent.state != Io::State::done) return sent;
  return {Io::State::done, std::exchange(accepted_, 0), 0};
}

Io TlsStream::finish() {
  if (!std::exchange(finishing_, true)) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  const Io sent = flush();
  return sent.state == Io::State::done ? below_->finish() : sent;
}

Task<Result<std::unique_ptr<Stream>>> connectTls(std::unique_ptr<Stream> below, const TlsClient& client,
                                                 std::string host, Deadline deadline) {
  SslPtr ssl = client.open(host);
  if (!ssl) co_return Error{Failure::invalid, "'" + host + "' is no name to check a certificate for"};
  auto stream = std::make_unique<TlsStream>(std::move(below), std::move(ssl));
  if (const auto done = co_await stream->handshake(deadline); !done) co_return done.error();
  co_return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace crossgate
