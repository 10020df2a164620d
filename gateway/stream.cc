// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/stream.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace crossgate {
namespace {

constexpr std::size_t readSize = 4096;
constexpr unsigned readsInARow = 16;

Io skip(Stream& stream) {
  std::array<std::uint8_t, readSize> buffer;
  return stream.read(buffer);
}

}  // namespace

Io PlainStream::read(std::span<std::uint8_t> into) {
  if (!socket_.mayRead()) return {Io::State::wantRead, 0, 0};
  for (;;) {
    const ssize_t count = recv(socket_.fd(), into.data(), into.size(), 0);
    if (count > 0) {
      const auto octets = static_cast<std::size_t>(count);
      if (octets < into.size()) socket_.shortRead();
      return {Io::State::done, octets, 0};
    }
    if (count == 0) return {Io::State::closed, 0, 0};
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return {Io::State::failed, 0, errno};
    socket_.blockedReading();
    return {Io::State::wantRead, 0, 0};
  }
}

Io PlainStream::write(OctetSpan from) {
  if (!socket_.mayWrite()) return {Io::State::wantWrite, 0, 0};
  for (;;) {
    const ssize_t count = send(socket_.fd(), from.data(), from.size(), MSG_NOSIGNAL);
    if (count >= 0) return {Io::State::done, static_cast<std::size_t>(count), 0};
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return {Io::State::failed, 0, errno};
    socket_.blockedWriting();
    return {Io::State::wantWrite, 0, 0};
  }
}

Io PlainStream::finish() {
  shutdown(socket_.fd(), SHUT_WR);
  return {Io::State::done, 0, 0};
}

Task<Result<void>> writeAll(Stream& stream, OctetSpan data, Deadline deadline) {
  while (!data.empty()) {
    const Io io = stream.write(data);
    if (io.state == Io::State::done) {
      data = data.subspan(io.octets);
    } else if (io.state == Io::State::failed || io.state == Io::State::closed) {
      co_return systemError("write", io.error);
    } else if (co_await waitFor(stream, io.state, deadline) == Wake::timedOut) {
      co_return Error{Failure::timedOut, "the peer does not take our octets"};
    }
  }
  co_return Result<void>{};
}

Io Inbox::readOnce(Stream& stream) {
  std::array<std::uint8_t, readSize> buffer;
  const Io io = stream.read(buffer);
  if (io.state == Io::State::done) append(OctetSpan(buffer).first(io.octets));
  return io;
}

Task<Result<std::size_t>> Inbox::fill(Stream& stream, Deadline deadline) {
  for (;;) {
    const Io io = readOnce(stream);
    if (io.state == Io::State::done) co_return io.octets;
    if (io.state == Io::State::closed) co_return std::size_t{0};
    if (io.state == Io::State::failed) co_return systemError("read", io.error);
    if (co_await waitFor(stream, io.state, deadline) == Wake::timedOut) {
      co_return Error{Failure::timedOut, "the peer is silent"};
    }
  }
}

Task<void> discard(Stream& stream, Deadline deadline) {
  for (unsigned inARow = 1; Clock::now() < deadline; ++inARow) {
    const Io io = skip(stream);
    if (io.state == Io::State::closed || io.state == Io::State::failed) co_return;
    if (io.state == Io::State::done) {
      if (inARow % readsInARow == 0) co_await NextTurn(stream.socket().loop());
    } else if (co_await waitFor(stream, io.state, deadline) == Wake::timedOut) {
      co_return;
    }
  }
}

Task<Result<bool>> beginsWith(Stream& stream, Inbox& inbox, std::uint8_t first, Deadline deadline) {
  if (inbox.unread().empty()) {
    const auto count = co_await inbox.fill(stream, deadline);
    if (!count) co_return count.error();
    if (*count == 0) co_return Error{Failure::peerGone, "closed without a word"};
  }
  co_return inbox.unread().front() == first;
}

void Inbox::append(OctetSpan data) {
  if (used_ == data_.size()) clear();
  data_.insert(data_.end(), data.begin(), data.end());
}

Octets Inbox::take() {
  const OctetSpan rest = unread();
  Octets taken(rest.begin(), rest.end());
  *this = {};
  return taken;
}

void Inbox::clear() {
  data_.clear();
  used_ = 0;
}

}  // namespace crossgate
