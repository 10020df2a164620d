// SPDX-License-Identifier: BSD-2-Clause
// Stream: a connected socket of the load program, plain or under TLS, with reads and writes to await.
//
// An errno tells how an operation ended: 0 is success, ETIMEDOUT a deadline or the end of the phase,
// EPROTO a TLS failure.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <span>

#include "lib/address.h"
#include "t/bench/loop.h"

namespace crossgate::bench {

struct SslFree {
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};

class Stream {
 public:
  Stream(Loop& loop, Fd fd) : socket_(loop, std::move(fd)) {}
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  int fd() const noexcept { return socket_.fd(); }
  Socket& socket() noexcept { return socket_; }
  Loop& loop() noexcept { return socket_.loop(); }
  SSL* ssl() noexcept { return ssl_.get(); }

  /// The TLS handshake as a client; resumes `session` when there is one.
  Task<int> startTls(SSL_CTX* context, SSL_SESSION* session);

  /// Octets read (0: end of stream), or a negative errno.
  Task<long> read(std::span<std::uint8_t> into);
  /// Drops up to `count` octets without copying them where the kernel can; otherwise as read().
  Task<long> discard(std::size_t count);
  /// All of `into`, or an errno; the end of the stream is ECONNRESET.
  Task<int> readAll(std::span<std::uint8_t> into);
  /// Octets written, at least one, or a negative errno.
  Task<long> write(std::span<const std::uint8_t> data);
  Task<int> writeAll(std::span<const std::uint8_t> data);

  /// FIN (after TLS's close_notify).
  void shutdownWrite();
  /// The close that follows sends RST.
  void abortOnClose() noexcept;

 private:
  Task<int> waitTls(int result);

  Socket socket_;
  std::unique_ptr<SSL, SslFree> ssl_;
};

/// A connection to `to`; `error` tells why the pointer is empty.
struct Connected {
  std::unique_ptr<Stream> stream;
  int error = 0;
};
Task<Connected> connectTo(Loop& loop, Endpoint to, TimePoint deadline);

/// A TCP or UDP socket bound to `at`, empty when that is not possible.
Fd tryBindSocket(const Endpoint& at, int type);
/// The same, but the program ends when it is not possible.
Fd bindSocket(const Endpoint& at, int type);

}  // namespace crossgate::bench
