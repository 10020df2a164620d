// SPDX-License-Identifier: BSD-2-Clause
#include "t/bench/stream.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace crossgate::bench {
namespace {

void enable(int fd, int level, int option) noexcept {
  const int on = 1;
  setsockopt(fd, level, option, &on, sizeof on);
}

bool mustWait() noexcept { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

Stream::~Stream() {
  if (ssl_) ERR_clear_error();
}

Task<int> Stream::startTls(SSL_CTX* context, SSL_SESSION* session) {
  ssl_.reset(SSL_new(context));
  SSL_set_fd(ssl_.get(), socket_.fd());
  if (session) SSL_set_session(ssl_.get(), session);
  for (;;) {
    const int result = SSL_connect(ssl_.get());
    if (result == 1) co_return 0;
    if (const int error = co_await waitTls(result)) co_return error;
  }
}

// Waits for what the TLS operation that gave `result` needs; an errno when it has failed.
Task<int> Stream::waitTls(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ: co_return co_await socket_.readable() ? 0 : ETIMEDOUT;
    case SSL_ERROR_WANT_WRITE: co_return co_await socket_.writable() ? 0 : ETIMEDOUT;
    case SSL_ERROR_ZERO_RETURN: co_return ESHUTDOWN;
    default: ERR_clear_error(); co_return EPROTO;
  }
}

Task<long> Stream::read(std::span<std::uint8_t> into) {
  for (;;) {
    if (ssl_) {
      const int got = SSL_read(ssl_.get(), into.data(), static_cast<int>(into.size()));
      if (got > 0) co_return got;
      const int error = co_await waitTls(got);
      if (error == ESHUTDOWN) co_return 0;
      if (error) co_return -error;
      continue;
    }
    const ssize_t got = recv(socket_.fd(), into.data(), into.size(), 0);
    if (got >= 0) co_return got;
    if (!mustWait()) co_return -errno;
    if (!co_await socket_.readable()) co_return -ETIMEDOUT;
  }
}

Task<long> Stream::discard(std::size_t count) {
  static std::array<std::uint8_t, 65536> dropped;
  if (ssl_) co_return co_await read({dropped.data(), std::min(count, dropped.size())});
  for (;;) {
    const ssize_t got = recv(socket_.fd(), nullptr, count, MSG_TRUNC);
    if (got >= 0) co_return got;
    if (!mustWait()) co_return -errno;
    if (!co_await socket_.readable()) co_return -ETIMEDOUT;
  }
}

Task<int> Stream::readAll(std::span<std::uint8_t> into) {
  while (!into.empty()) {
    const long got = co_await read(into);
    if (got == 0) co_return ECONNRESET;
    if (got < 0) co_return static_cast<int>(-got);
    into = into.subspan(static_cast<std::size_t>(got));
  }
  co_return 0;
}

Task<long> Stream::write(std::span<const std::uint8_t> data) {
  for (;;) {
    if (ssl_) {
      const int put = SSL_write(ssl_.get(), data.data(), static_cast<int>(data.size()));
      if (put > 0) co_return put;
      if (const int error = co_await waitTls(put)) co_return -error;
      continue;
    }
    const ssize_t put = send(socket_.fd(), data.data(), data.size(), MSG_NOSIGNAL);
    if (put >= 0) co_return put;
    if (!mustWait()) co_return -errno;
    if (!co_await socket_.writable()) co_return -ETIMEDOUT;
  }
}

Task<int> Stream::writeAll(std::span<const std::uint8_t> data) {
  while (!data.empty()) {
    const long put = co_await write(data);
    if (put < 0) co_return static_cast<int>(-put);
    data = data.subspan(static_cast<std::size_t>(put));
  }
  co_return 0;
}

void Stream::shutdownWrite() {
  if (ssl_) SSL_shutdown(ssl_.get());
  ::shutdown(socket_.fd(), SHUT_WR);
}

void Stream::abortOnClose() noexcept {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

Task<Connected> connectTo(Loop& loop, Endpoint to, TimePoint deadline) {
  Fd fd(socket(toAf(to.address.family()), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) co_return Connected{nullptr, errno};
  enable(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  sockaddr_storage address;
  const socklen_t length = to.toSockaddr(address);
  const bool pending = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0;
  if (pending && errno != EINPROGRESS) co_return Connected{nullptr, errno};
  auto stream = std::make_unique<Stream>(loop, std::move(fd));
  stream->socket().setDeadline(deadline);
  int error = 0;
  if (pending) {
    if (!co_await stream->socket().writable()) co_return Connected{nullptr, ETIMEDOUT};
    socklen_t size = sizeof error;
    getsockopt(stream->fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error) stream.reset();
  co_return Connected{std::move(stream), error};
}

Fd tryBindSocket(const Endpoint& at, int type) {
  Fd fd(socket(toAf(at.address.family()), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  enable(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  if (!at.address.isV4()) enable(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  sockaddr_storage address;
  const socklen_t length = at.toSockaddr(address);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) fd.reset();
  return fd;
}

Fd bindSocket(const Endpoint& at, int type) {
  Fd fd = tryBindSocket(at, type);
  if (!fd) {
    std::perror(at.toString().c_str());
    std::exit(3);
  }
  return fd;
}

}  // namespace crossgate::bench
