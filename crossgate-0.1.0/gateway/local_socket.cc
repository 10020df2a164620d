// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/local_socket.h"

#include <cerrno>
#include <random>

#include "gateway/socket_options.h"

namespace crossgate {
namespace {

// What the kernel holds for a slow reader of datagrams; it grants less where net.core.rmem_max is less.
constexpr int datagramBuffer = 1024 * 1024;

Result<Fd> openAt(const IpAddress& address, int type, std::uint16_t port) {
  Fd fd(socket(toAf(address.family()), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return systemError("socket", errno);
  if (!address.isV4()) setOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  // A TCP port that only old connections still hold is free; a UDP port must be ours alone.
  if (type == SOCK_STREAM) setOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  sockaddr_storage storage;
  const socklen_t length = Endpoint{address, port}.toSockaddr(storage);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0 ||
      (type == SOCK_STREAM && listen(fd.get(), SOMAXCONN) != 0)) {
    const int error = errno;
    Error failure = systemError(("bind to " + Endpoint{address, port}.toString()).c_str(), error);
    if (error == EADDRINUSE) failure.failure = Failure::exhausted;
    return failure;
  }
  return fd;
}

// Begins at a port that nobody can foretell, and tries each port once.
Result<Fd> openInRange(const IpAddress& address, int type, PortRange ports) {
  if (ports.low == 0) return openAt(address, type, 0);
  const unsigned count = ports.high - ports.low + 1U;
  const unsigned start = std::random_device()() % count;
  for (unsigned i = 0; i < count; ++i) {
    auto fd = openAt(address, type, static_cast<std::uint16_t>(ports.low + (start + i) % count));
    if (fd || fd.error().failure != Failure::exhausted) return fd;
  }
  return Error{Failure::exhausted, "no port from " + std::to_string(ports.low) + " to " +
                                       std::to_string(ports.high) + " is free on " + address.toString()};
}

}  // namespace

std::optional<PortRange> PortRange::parse(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto low = parsePort(text.substr(0, dash));
  const auto high = dash == text.npos ? low : parsePort(text.substr(dash + 1));
  if (!low || !high || *low == 0 || *low > *high) return std::nullopt;
  return PortRange{*low, *high};
}

Result<Fd> listenAt(const IpAddress& address, PortRange ports) {
  return openInRange(address, SOCK_STREAM, ports);
}

Result<Fd> openDatagramSocket(const IpAddress& address, PortRange ports) {
  auto fd = openInRange(address, SOCK_DGRAM, ports);
  if (fd) {
    setOption(fd->get(), SOL_SOCKET, SO_RCVBUF, datagramBuffer);
    setOption(fd->get(), SOL_SOCKET, SO_SNDBUF, datagramBuffer);
  }
  return fd;
}

}  // namespace crossgate
