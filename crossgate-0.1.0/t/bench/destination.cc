// SPDX-License-Identifier: BSD-2-Clause
#include "t/bench/destination.h"

#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "lib/octets.h"
#include "t/bench/datagrams.h"

namespace crossgate::bench {
namespace {

constexpr std::uint32_t orderMark = 0x43476c64;  // "CGld"
constexpr std::size_t sampleOctets = 65536;      // checked in full ...
constexpr std::size_t skipOctets = 15 * 65536;   // ... of each 16 times as many

std::uint64_t number(std::span<const std::uint8_t> octets) noexcept {
  std::uint64_t value = 0;
  for (const std::uint8_t octet : octets) value = value << 8 | octet;
  return value;
}

Task<int> echo(Stream& stream) {
  std::vector<std::uint8_t> buffer(4096);
  for (;;) {
    const long got = co_await stream.read(buffer);
    if (got <= 0) co_return static_cast<int>(-got);
    const int error = co_await stream.writeAll({buffer.data(), static_cast<std::size_t>(got)});
    if (error) co_return error;
  }
}

Job sendBeside(Loop&, std::shared_ptr<Stream> stream, Order order) {
  co_await sendPayload(*stream, order.downPayload(), order.down);
  if (order.kind == Order::Kind::abort) {
    stream->abortOnClose();
    shutdown(stream->fd(), SHUT_RD);  // wakes the receiver, which holds the stream too
  } else {
    stream->shutdownWrite();
  }
}

Task<int> obey(Loop& loop, std::shared_ptr<Stream> stream, Order order) {
  Tally& tally = sharedTally();
  if (order.kind == Order::Kind::echo) co_return co_await echo(*stream);
  if (order.kind != Order::Kind::exchange) sendBeside(loop, stream, order);
  const int error = co_await takePayload(*stream, order.upPayload(), order.up, order.sampled, tally.upOctets);
  if (error == EBADMSG) ++tally.wrong;
  if (!error && order.up != Order::endless) ++tally.completed;
  if (error || order.kind != Order::Kind::exchange) co_return error;
  co_return co_await sendPayload(*stream, order.downPayload(), order.down);
}

Job serveOne(Loop& loop, Fd fd) {
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto stream = std::make_shared<Stream>(loop, std::move(fd));
  std::array<std::uint8_t, Order::size> octets;
  const int error = co_await stream->readAll(octets);
  if (error) co_return;  // a client that leaves at once is welcome to
  const auto order = Order::decode(octets);
  if (!order) {
    ++sharedTally().wrong;
    co_return;
  }
  co_await obey(loop, stream, *order);
}

Job acceptAll(Loop& loop, Fd listener) {
  Socket socket(loop, std::move(listener));
  do {
    for (;;) {
      Fd fd(accept4(socket.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) break;
      serveOne(loop, std::move(fd));
    }
  } while (co_await socket.readable());
}

Job echoDatagrams(Loop& loop, Fd fd) {
  Socket socket(loop, std::move(fd));
  Datagrams batch(64, 65535);
  do {
    while (batch.receive(socket.fd()) > 0) batch.sendBack(socket.fd());
  } while (co_await socket.readable());
}

}  // namespace

std::array<std::uint8_t, Order::size> Order::encode() const noexcept {
  std::array<std::uint8_t, size> octets{};
  const auto put = [&](std::size_t at, std::size_t length, std::uint64_t value) {
    for (std::size_t i = 0; i < length; ++i)
      octets[at + i] = static_cast<std::uint8_t>(value >> 8 * (length - 1 - i));
  };
  put(0, 4, orderMark ^ (static_cast<std::uint32_t>(kind) << 1) ^ static_cast<std::uint32_t>(sampled));
  put(4, 4, seed);
  put(8, 8, up);
  put(16, 8, down);
  return octets;
}

std::optional<Order> Order::decode(std::span<const std::uint8_t, size> octets) noexcept {
  const auto bits = static_cast<std::uint32_t>(number(octets.first<4>())) ^ orderMark;
  if (bits >> 1 > static_cast<std::uint32_t>(Kind::abort)) return std::nullopt;
  return Order{static_cast<Kind>(bits >> 1), (bits & 1) != 0,
               static_cast<std::uint32_t>(number(octets.subspan<4, 4>())), number(octets.subspan<8, 8>()),
               number(octets.subspan<16, 8>())};
}

Tally& sharedTally() {
  static Tally* const tally = [] {
    void* const memory =
        mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      std::perror("mmap");
      std::exit(3);
    }
    return new (memory) Tally;
  }();
  return *tally;
}

Task<int> sendPayload(Stream& stream, Payload payload, std::uint64_t count) {
  for (std::uint64_t position = 0; position < count;) {
    const auto piece = payload.at(position, std::min<std::uint64_t>(count - position, Payload::longestPiece));
    const long put = co_await stream.write(piece);
    if (put < 0) co_return static_cast<int>(-put);
    position += static_cast<std::uint64_t>(put);
    if (position >= count) break;
    if (!co_await stream.loop().yield()) co_return ETIMEDOUT;
  }
  co_return 0;
}

Task<int> takePayload(Stream& stream, Payload payload, std::uint64_t count, bool sampled,
                      std::atomic<std::uint64_t>& octets) {
  std::vector<std::uint8_t> buffer(std::min<std::uint64_t>(count, sampleOctets));
  std::uint64_t position = 0;
  std::uint64_t checkedUntil = 0;
  while (position < count) {
    const std::uint64_t left = count - position;
    const bool skip = sampled && position >= sampleOctets && position < checkedUntil + skipOctets;
    long got;
    if (skip) {
      got = co_await stream.discard(std::min<std::uint64_t>(left, skipOctets));
    } else {
      got = co_await stream.read(
          {buffer.data(), static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()))});
    }
    if (got == 0) co_return count == Order::endless ? 0 : ECONNRESET;
    if (got < 0) co_return static_cast<int>(-got);
    if (!skip) {
      if (!payload.matches(position, {buffer.data(), static_cast<std::size_t>(got)})) co_return EBADMSG;
      checkedUntil = position + static_cast<std::uint64_t>(got);
    }
    position += static_cast<std::uint64_t>(got);
    octets.fetch_add(static_cast<std::uint64_t>(got), std::memory_order_relaxed);
    if (!sampled) continue;
    if (!co_await stream.loop().yield()) co_return ETIMEDOUT;
  }
  co_return 0;
}

DestinationServer::DestinationServer() {
  // One port that is free in both families and both protocols; a few tries find it.
  for (int tries = 0; tries < 20; ++tries) {
    Fd first = bindSocket({IpAddress::loopback(Family::ipv4), 0}, SOCK_STREAM);
    port_ = localEndpoint(first.get())->port;
    Fd second = tryBindSocket({IpAddress::loopback(Family::ipv6), port_}, SOCK_STREAM);
    Fd third = tryBindSocket({IpAddress::loopback(Family::ipv4), port_}, SOCK_DGRAM);
    Fd fourth = tryBindSocket({IpAddress::loopback(Family::ipv6), port_}, SOCK_DGRAM);
    if (!second || !third || !fourth) continue;
    if (listen(first.get(), 4096) != 0 || listen(second.get(), 4096) != 0) continue;
    listeners_.push_back(std::move(first));
    listeners_.push_back(std::move(second));
    udp_.push_back(std::move(third));
    udp_.push_back(std::move(fourth));
    for (const Fd& fd : udp_) enlargeReceiveBuffer(fd.get());
    return;
  }
  std::fprintf(stderr, "load: no port that is free on 127.0.0.1 and ::1\n");
  std::exit(3);
}

void DestinationServer::serve(Loop& loop) {
  for (Fd& fd : std::exchange(listeners_, {})) acceptAll(loop, std::move(fd));
  for (Fd& fd : std::exchange(udp_, {})) echoDatagrams(loop, std::move(fd));
}

}  // namespace crossgate::bench
