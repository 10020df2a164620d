// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "gateway/socket_options.h"

namespace crossgate {

Result<std::unique_ptr<Listener>> Listener::open(const Endpoint& endpoint) {
  const auto failed = [&](const char* what) {
    Error error = systemError(what, errno);
    error.detail = endpoint.toString() + ": " + error.detail;
    return error;
  };
  Fd fd(socket(toAf(endpoint.address.family()), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failed("socket");
  setOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (!endpoint.address.isV4()) setOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  // Accepted sockets inherit these: no call per client.
  setRelayOptions(fd.get(), true);

  sockaddr_storage storage;
  const socklen_t length = endpoint.toSockaddr(storage);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) return failed("bind");
  if (listen(fd.get(), SOMAXCONN) != 0) return failed("listen");
  // With port 0 the kernel has chosen one.
  const Endpoint bound = localEndpoint(fd.get()).value_or(endpoint);
  return std::unique_ptr<Listener>(new Listener(bound, std::move(fd)));
}

std::unique_ptr<Listener> Listener::adopt(const Endpoint& endpoint, Fd fd) {
  fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  setRelayOptions(fd.get(), true);
  return std::unique_ptr<Listener>(new Listener(endpoint, std::move(fd)));
}

// A listening socket that is shut down has its address still, but stands in nobody's way.
void Listener::suspend() noexcept { shutdown(fd_.get(), SHUT_RD); }

void Listener::resume() noexcept { (void)listen(fd_.get(), SOMAXCONN); }

void Listener::watch(EventLoop& loop, std::function<void(Listener&)> onClients) {
  if (event_) return;
  onClients_ = std::move(onClients);
  const auto trampoline = [](int, short, void* self) noexcept {
    auto* listener = static_cast<Listener*>(self);
    listener->onClients_(*listener);
  };
  event_ = std::make_unique<Event>(loop, fd_.get(), EV_READ | EV_PERSIST, trampoline, this);
  event_->add();
}

bool clientWaits(int listener) noexcept {
  pollfd waiting{listener, POLLIN, 0};
  return poll(&waiting, 1, 0) == 1;
}

Accepted acceptClient(int listener) {
  for (;;) {
    sockaddr_storage storage;
    socklen_t length = sizeof storage;
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    Accepted accepted;
    accepted.fd = Fd(accept4(listener, address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (accepted.fd) {
      const auto peer = Endpoint::from(address, length);
      if (peer) accepted.peer = *peer;
      return accepted;
    }
    accepted.error = errno;
    switch (errno) {
      case EINTR:
      case ECONNABORTED:
      case EPERM:  // a firewall rule
      case EPROTO:
      case ENOPROTOOPT:
      case ENETDOWN:
      case ENETUNREACH:
      case EHOSTDOWN:
      case EHOSTUNREACH:
      case ENONET: break;  // errors of one dead connection (accept(2)): take the next
      default: return accepted;
    }
  }
}

}  // namespace crossgate
