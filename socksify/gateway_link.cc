// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/gateway_link.h"

#include <fcntl.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "socksify/cancellation.h"
#include "socksify/real.h"
#include "socksify/socket_table.h"

namespace crossgate::socksify {
namespace {

// Programs that count on getting the lowest free number (shells, daemons that reopen 0 to 2) and
// those that use select() are left the low ones.
constexpr int firstHiddenFd = 1000;

int hideAway(int fd) noexcept {
  if (fd < 0) return -1;
  const Uncancelled whole;
  const int high = real().fcntl(fd, F_DUPFD_CLOEXEC, firstHiddenFd);
  if (high < 0) return fd;  // the limit of descriptors is lower than that
  real().close(fd);
  return high;
}

Endpoint inFamily(const Endpoint& endpoint, Family family) noexcept {
  return family == Family::ipv6 ? Endpoint{endpoint.address.mapped(), endpoint.port} : endpoint;
}

}  // namespace

HiddenSocket::HiddenSocket(int fd) noexcept : fd_(hideAway(fd)), cookie_(fd_ < 0 ? 0 : socketCookie(fd_)) {}

HiddenSocket::HiddenSocket(HiddenSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), cookie_(std::exchange(other.cookie_, 0)) {}

HiddenSocket& HiddenSocket::operator=(HiddenSocket&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
    cookie_ = std::exchange(other.cookie_, 0);
  }
  return *this;
}

bool HiddenSocket::isOurs() const noexcept {
  return fd_ >= 0 && cookie_ != 0 && socketCookie(fd_) == cookie_;
}

int HiddenSocket::release() noexcept {
  cookie_ = 0;
  return std::exchange(fd_, -1);
}

void HiddenSocket::reset() noexcept {
  const Uncancelled whole;
  const int saved = errno;
  if (isOurs()) real().close(fd_);
  errno = saved;
  release();
}

GatewayLink::GatewayLink(SocksClient::Options options, socks5::Request request,
                         const std::vector<Endpoint>& gateway, Family family) noexcept
    : client_(SocksClient::create(std::move(options), std::move(request))) {
  for (const Endpoint& endpoint : gateway) gateway_.push_back(inFamily(endpoint, family));
}

GatewayLink::GatewayLink(SocksClient::Options options, socks5::Request request,
                         const std::vector<Endpoint>& gateway, Family family, int programSocket) noexcept
    : GatewayLink(std::move(options), std::move(request), gateway, family) {
  borrowed_ = programSocket;
  std::erase_if(gateway_, [family](const Endpoint& endpoint) { return endpoint.address.family() != family; });
}

short GatewayLink::events() const noexcept {
  if (state_ == State::connecting) return POLLOUT;
  return client_->output().empty() ? POLLIN : POLLOUT;
}

bool GatewayLink::keepOwnDuplicate() noexcept {
  HiddenSocket duplicate(real().fcntl(borrowed_, F_DUPFD_CLOEXEC, 0));
  if (duplicate.get() < 0) return false;
  own_ = std::move(duplicate);
  borrowed_ = -1;
  return true;
}

Result<GatewayLink::Progress> GatewayLink::advance() {
  if (!client_) return client_.error();
  if (borrowed_ < 0 && state_ != State::idle && !own_.isOurs()) {
    return Error{Failure::general, "the program closed the connection to the gateway"};
  }
  switch (state_) {
    case State::idle: return tryNextAddress();
    case State::connecting: return finishConnecting();
    case State::talking: return talk();
  }
  return Progress::pending;
}

// 0, or the errno; EINPROGRESS when it is on its way.
int GatewayLink::connectTo(const Endpoint& endpoint) noexcept {
  if (borrowed_ < 0) {
    own_ = HiddenSocket(
        real().socket(toAf(endpoint.address.family()), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (own_.get() < 0) return errno;
    const int on = 1;
    real().setsockopt(own_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  sockaddr_storage storage;
  const socklen_t length = endpoint.toSockaddr(storage);
  // The program's socket blocks: it must not do so here, where a deadline holds.
  const int flags = borrowed_ < 0 ? O_NONBLOCK : real().fcntl(borrowed_, F_GETFL);
  if ((flags & O_NONBLOCK) == 0) real().fcntl(borrowed_, F_SETFL, flags | O_NONBLOCK);
  const int failed =
      real().connect(fd(), reinterpret_cast<const sockaddr*>(&storage), length) == 0 ? 0 : errno;
  if ((flags & O_NONBLOCK) == 0) real().fcntl(borrowed_, F_SETFL, flags);
  return failed;
}

Result<GatewayLink::Progress> GatewayLink::tryNextAddress() {
  while (next_ < gateway_.size()) {
    lastError_ = connectTo(gateway_[next_++]);
    if (lastError_ == 0) {
      state_ = State::talking;
      return talk();
    }
    if (lastError_ == EINPROGRESS) {
      state_ = State::connecting;
      return Progress::pending;
    }
  }
  if (lastError_ == 0) lastError_ = EADDRNOTAVAIL;
  return systemError("the gateway cannot be reached", lastError_);
}

Result<GatewayLink::Progress> GatewayLink::finishConnecting() {
  pollfd ready{fd(), POLLOUT, 0};
  if (real().poll(&ready, 1, 0) <= 0) return Progress::pending;
  socklen_t length = sizeof lastError_;
  if (real().getsockopt(fd(), SOL_SOCKET, SO_ERROR, &lastError_, &length) != 0) lastError_ = errno;
  if (lastError_ != 0) return tryNextAddress();
  state_ = State::talking;
  return talk();
}

Result<GatewayLink::Progress> GatewayLink::talk() {
  while (!client_->done()) {
    auto moved = client_->output().empty() ? receiveSome() : sendSome();
    if (!moved) return moved.error();
    if (!*moved) return Progress::pending;
  }
  return Progress::done;
}

Result<bool> GatewayLink::sendSome() {
  const OctetSpan out = client_->output();
  const ssize_t sent = real().send(fd(), out.data(), out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) {
    // EINPROGRESS: on a socket with TCP_FASTOPEN_CONNECT the connection begins here.
    if (errno == EAGAIN || errno == EINTR || errno == EINPROGRESS) return false;
    return systemError("sending to the gateway", errno);
  }
  client_->sent(static_cast<std::size_t>(sent));
  return true;
}

Result<bool> GatewayLink::receiveSome() {
  std::array<std::uint8_t, 512> chunk;
  const std::size_t wanted = std::min(client_->wanted(), chunk.size());
  const ssize_t got = real().recv(fd(), chunk.data(), wanted, MSG_DONTWAIT);
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return false;
    return systemError("receiving from the gateway", errno);
  }
  if (got == 0) return client_->closedEarly();
  if (auto taken = client_->received(OctetSpan(chunk).first(static_cast<std::size_t>(got))); !taken) {
    return taken.error();
  }
  return true;
}

}  // namespace crossgate::socksify
