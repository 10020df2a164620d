// SPDX-License-Identifier: BSD-2-Clause
// Stream: one side of a relay as octets, whatever protects them: plain TCP, TLS, GSSAPI frames, or
// one over another.
//
// A Stream never waits: read() and write() say what they would wait for, and the coroutines below do
// the waiting on the Socket underneath.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "gateway/event_loop.h"
#include "gateway/task.h"
#include "lib/octets.h"
#include "lib/result.h"

namespace crossgate {

/// The outcome of one attempt to read or write.
struct Io {
  enum class State : std::uint8_t {
    done,       ///< `octets` were moved (more than 0)
    closed,     ///< reading: the peer has ended its direction in order
    wantRead,   ///< try again when the Socket is readable
    wantWrite,  ///< try again when the Socket is writable
    failed,     ///< the stream is dead: `error` is an errno, ECONNRESET for a reset, EPROTO for a
                ///< broken layer above TCP
  };
  State state = State::failed;
  std::size_t octets = 0;
  int error = 0;
};

/// How the datagrams of an association are protected along with the stream it belongs to.
class DatagramCipher {
 public:
  DatagramCipher() = default;
  DatagramCipher(const DatagramCipher&) = delete;
  DatagramCipher& operator=(const DatagramCipher&) = delete;
  virtual ~DatagramCipher() = default;
  /// What is sent instead of `datagram`; an Error: it can't be sent.
  virtual Result<Octets> wrap(OctetSpan datagram) = 0;
  /// What `datagram` stands for; an Error: it is forged, repeated or broken, and to be dropped.
  virtual Result<Octets> unwrap(OctetSpan datagram) = 0;
};

class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  virtual Io read(std::span<std::uint8_t> into) = 0;
  virtual Io write(OctetSpan from) = 0;
  /// Ends our direction (FIN; close_notify first where there is TLS); done with 0 octets when sent.
  virtual Io finish() = 0;
  /// The Socket to wait on.
  virtual Socket& socket() noexcept = 0;
  /// True when the octets of the Socket are the octets of the Stream, so that splice(2) may move them.
  virtual bool isPlain() const noexcept { return false; }
  /// For the datagrams of an association; null: they travel as they are.
  virtual DatagramCipher* datagrams() noexcept { return nullptr; }
};

/// A Stream straight on TCP.
class PlainStream final : public Stream {
 public:
  PlainStream(EventLoop& loop, Fd fd) noexcept : socket_(loop, std::move(fd)) {}
  Io read(std::span<std::uint8_t> into) override;
  Io write(OctetSpan from) override;
  Io finish() override;
  Socket& socket() noexcept override { return socket_; }
  bool isPlain() const noexcept override { return true; }

 private:
  Socket socket_;
};

/// Waits for what the stream wants (wantRead or wantWrite).
inline Socket::Wait waitFor(Stream& stream, Io::State wanted, Deadline deadline) noexcept {
  return wanted == Io::State::wantRead ? stream.socket().readable(deadline)
                                       : stream.socket().writable(deadline);
}

/// Writes all of it.  Failure::timedOut, or that of the errno.
Task<Result<void>> writeAll(Stream& stream, OctetSpan data, Deadline deadline);

/// The octets of a conversation that have arrived and are not used yet.  What is left when the
/// conversation is over belongs to the relay.
class Inbox {
 public:
  OctetSpan unread() const noexcept { return OctetSpan(data_).subspan(used_); }
  void consume(std::size_t octets) noexcept { used_ += octets; }
  /// Reads once from the stream, whatever is there: octets read; 0 when the peer closed.
  Task<Result<std::size_t>> fill(Stream& stream, Deadline deadline);
  void append(OctetSpan data);
  void clear();
  /// What is unread; afterwards there is nothing, and no memory for it.
  Octets take();

 private:
  Io readOnce(Stream& stream);

  Octets data_;
  std::size_t used_ = 0;
};

/// Reads and forgets until the stream ends or the deadline comes; others have their turn in between.
Task<void> discard(Stream& stream, Deadline deadline);

/// Whether the first octet of the stream is `first`; it stays in the inbox.
Task<Result<bool>> beginsWith(Stream& stream, Inbox& inbox, std::uint8_t first, Deadline deadline);

/// The next message of a conversation.  Failure::peerGone when the peer closes first, timedOut,
/// malformed as the decoder says.  `limit` bounds what an unfinished message may hold.
template <class T>
Task<Result<T>> receive(Stream& stream, Inbox& inbox, Decoded<T> (*decode)(Reader&), Deadline deadline,
                        std::size_t limit = 1024) {
  for (;;) {
    Reader reader(inbox.unread());
    Decoded<T> decoded = decode(reader);
    if (!decoded) co_return decoded.error();
    if (decoded->has_value()) {
      inbox.consume(reader.position());
      co_return std::move(**decoded);
    }
    if (inbox.unread().size() >= limit) co_return malformed("a message without an end");
    const Result<std::size_t> count = co_await inbox.fill(stream, deadline);
    if (!count) co_return count.error();
    if (*count == 0) co_return Error{Failure::peerGone, "closed in the middle of the conversation"};
  }
}

}  // namespace crossgate
