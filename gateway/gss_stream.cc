// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/gss_stream.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "lib/socks5.h"

namespace crossgate {
namespace {

// What one frame of ours carries at most: larger ones save little and make the peer wait longer.
constexpr std::size_t messageSize = 32 * 1024;
constexpr std::size_t readSize = 64 * 1024;

// One buffer serves every stream of a worker, for the time of one call.
std::array<std::uint8_t, readSize> readBuffer;

// Empty messages are legal, but a peer that sends nothing else would keep the worker at reading them.
constexpr unsigned mostEmptyInARow = 32;

constexpr Io brokenFrame{Io::State::failed, 0, EPROTO};

void release(Octets& octets, std::size_t& position) {
  Octets().swap(octets);
  position = 0;
}

}  // namespace

GssStream::GssStream(std::unique_ptr<Stream> below, std::unique_ptr<GssSeal> seal, OctetSpan early)
    : below_(std::move(below)), seal_(std::move(seal)), arrived_(early.begin(), early.end()) {}

Io GssStream::read(std::span<std::uint8_t> into) {
  for (unsigned empty = 0; read_ == open_.size();) {
    const auto opened = openFrame();
    if (!opened || empty > mostEmptyInARow) return brokenFrame;
    if (*opened) {
      ++empty;
      continue;
    }
    if (const Io io = receive(); io.state != Io::State::done) return io;
  }
  const std::size_t count = std::min(into.size(), open_.size() - read_);
  std::copy_n(open_.begin() + static_cast<std::ptrdiff_t>(read_), count, into.begin());
  read_ += count;
  if (read_ == open_.size()) release(open_, read_);
  return {Io::State::done, count, 0};
}

// Takes the next whole frame of what has arrived: false when there is none yet.
Result<bool> GssStream::openFrame() {
  Reader reader(OctetSpan(arrived_).subspan(used_));
  auto frame = socks5::decodeGssFrame(reader);
  if (!frame) return frame.error();
  if (!frame->has_value()) return false;
  used_ += reader.position();
  if (used_ == arrived_.size()) release(arrived_, used_);
  if ((*frame)->type != socks5::GssMessage::data) return malformed("a GSSAPI frame that is no data");
  auto message = seal_->unwrap((*frame)->token, GssSeal::Order::strict);
  if (!message) return message.error();
  open_ = *std::move(message);
  read_ = 0;
  return true;
}

Io GssStream::receive() {
  const Io io = below_->read(readBuffer);
  if (io.state == Io::State::done) {
    arrived_.erase(arrived_.begin(), arrived_.begin() + static_cast<std::ptrdiff_t>(std::exchange(used_, 0)));
    arrived_.insert(arrived_.end(), readBuffer.begin(),
                    readBuffer.begin() + static_cast<std::ptrdiff_t>(io.octets));
  }
  // A direction that ends within a frame was cut off.
  if (io.state == Io::State::closed && !arrived_.empty()) return {Io::State::failed, 0, ECONNRESET};
  return io;
}

Io GssStream::write(OctetSpan from) {
  if (accepted_ == 0) {
    const std::size_t most = std::min(messageSize, seal_->largest());
    const OctetSpan message = from.first(std::min(from.size(), most));
    auto token = seal_->wrap(message);
    if (!token) return brokenFrame;
    encode(socks5::GssFrame{socks5::GssMessage::data, *std::move(token)}, pending_);
    accepted_ = message.size();
  }
  // Told as written only when it has left: whoever waits for more to relay would not come back for it.
  const Io sent = flush();
  if (sent.state != Io::State::done) return sent;
  return {Io::State::done, std::exchange(accepted_, 0), 0};
}

Io GssStream::flush() {
  while (sent_ < pending_.size()) {
    const Io io = below_->write(OctetSpan(pending_).subspan(sent_));
    if (io.state != Io::State::done) return io;
    sent_ += io.octets;
  }
  release(pending_, sent_);
  return {Io::State::done, 0, 0};
}

Io GssStream::finish() {
  const Io sent = flush();
  return sent.state == Io::State::done ? below_->finish() : sent;
}

// RFC 1961, section 6: a datagram travels as one frame.
Result<Octets> GssStream::wrap(OctetSpan datagram) {
  if (datagram.size() > seal_->largest()) return malformed("a datagram too large for a GSSAPI frame");
  auto token = seal_->wrap(datagram);
  if (!token) return token.error();
  Octets framed;
  encode(socks5::GssFrame{socks5::GssMessage::data, *std::move(token)}, framed);
  return framed;
}

Result<Octets> GssStream::unwrap(OctetSpan datagram) {
  Reader reader(datagram);
  const auto frame = socks5::decodeGssFrame(reader);
  if (!frame) return frame.error();
  const bool whole = frame->has_value() && reader.remaining() == 0;
  if (!whole || (*frame)->type != socks5::GssMessage::data)
    return malformed("a datagram that is no GSSAPI frame");
  return seal_->unwrap((*frame)->token, GssSeal::Order::loose);
}

}  // namespace crossgate
