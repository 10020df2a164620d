// SPDX-License-Identifier: BSD-2-Clause
// connect(): the program's TCP connection becomes a conversation with the Gateway (RFC 1928; RFC 3089,
// section 2), which is told the name behind a fake, or the address.
//
// On a blocking socket the conversation runs here, on the program's own socket where the Gateway can
// be reached in its family, and otherwise on one that takes its place.  On a non-blocking socket, and
// when a signal or SO_SNDTIMEO ends a blocking wait, it goes on in the background (pending.h).
//
// connect() is a cancellation point: it waits in frames that hold nothing (cancellation.h), and all else
// is done between the waits.
#include "socksify/connect.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>

#include "socksify/association.h"
#include "socksify/background.h"
#include "socksify/cancellation.h"
#include "socksify/control_connections.h"
#include "socksify/datagram.h"
#include "socksify/pending.h"
#include "socksify/real.h"
#include "socksify/socks_lib.h"
#include "socksify/swap.h"

namespace crossgate::socksify {
namespace {

int fail(int error) noexcept {
  errno = error;
  return -1;
}

void disconnect(int fd) noexcept {
  const KeepErrno keep;
  sockaddr unspecified{};
  unspecified.sa_family = AF_UNSPEC;
  real().connect(fd, &unspecified, sizeof unspecified);
}

// A fake was handed out before the port was known, and a `direct` pattern with that port applies.
std::optional<Endpoint> endpointOf(const Destination& destination, Family family) {
  addrinfo hints{};
  hints.ai_family = toAf(family);
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = family == Family::ipv6 ? AI_V4MAPPED | AI_ALL : 0;
  addrinfo* list = nullptr;
  if (real().getaddrinfo(destination.name()->c_str(), nullptr, &hints, &list) != 0) return std::nullopt;
  auto endpoint = Endpoint::from(list->ai_addr, list->ai_addrlen);
  real().freeaddrinfo(list);
  if (endpoint) endpoint->port = destination.port;
  return endpoint;
}

// What a program that sees EINTR does next (poll, connect again, give up) is its own affair; one whose
// handlers all ask for SA_RESTART never expects it, but poll() ends all the same.
bool someHandlerInterrupts() noexcept {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) != 0) continue;
    const bool handled = action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
    if (handled && (action.sa_flags & SA_RESTART) == 0) return true;
  }
  return false;
}

bool isBlocking(int fd) noexcept { return (real().fcntl(fd, F_GETFL) & O_NONBLOCK) == 0; }

// How long the program lets a blocking call wait.
Clock::time_point sendTimeout(int fd) noexcept {
  timeval limit{};
  socklen_t length = sizeof limit;
  if (real().getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &length) != 0 ||
      (limit.tv_sec == 0 && limit.tv_usec == 0)) {
    return Clock::time_point::max();
  }
  return Clock::now() + std::chrono::seconds(limit.tv_sec) + std::chrono::microseconds(limit.tv_usec);
}

/// One connect() of a stream socket through the Gateway: begin(), and goOn() after each wait, until one
/// of them has its result.
class GatewayConnect {
 public:
  GatewayConnect(int fd, const Endpoint& peer, Destination destination)
      : fd_(fd), destination_(std::move(destination)), deadline_(Clock::now() + lib_.config().timeout) {
    shown_.family = peer.address.family();
    shown_.peer = peer;
  }

  std::optional<int> begin() {
    auto gateway = lib_.gatewayAddresses();
    if (!gateway) {
      warnOnce("%s", gateway.error().detail.c_str());
      return fail(EHOSTUNREACH);
    }
    return isBlocking(fd_) ? beginHere(*gateway) : startInBackground(*gateway);
  }

  // `waited`: 0, something may be done; EINTR; ETIMEDOUT.
  std::optional<int> goOn(int waited) {
    if (waited == EINTR) return leaveToBackground(EINTR);
    if (waited == ETIMEDOUT && patience_ < deadline_) return leaveToBackground(EINPROGRESS);
    if (waited == ETIMEDOUT) return giveUp(ETIMEDOUT);
    return advance();
  }

  pollfd awaited() const noexcept { return {link_->fd(), link_->events(), 0}; }
  Clock::time_point patience() const noexcept { return patience_; }

  /// The thread that waits is cancelled.
  static void letGo(void* attempt) {
    const std::unique_ptr<GatewayConnect> cancelled(static_cast<GatewayConnect*>(attempt));
    cancelled->giveUp(ECANCELED);
  }

 private:
  socks5::Request request() const { return {socks5::Command::connect, destination_}; }

  int startInBackground(const std::vector<Endpoint>& gateway) {
    link_ = std::make_unique<GatewayLink>(lib_.clientOptions(), request(), gateway, shown_.family);
    if (auto progress = link_->advance(); !progress)
      return fail(failureOf(*link_, progress.error(), destination_));
    if (!makePending(fd_) && !replaceByPending(fd_, toAf(shown_.family))) return -1;
    return continueInBackground(EINPROGRESS);
  }

  int continueInBackground(int result) {
    noteFamilyOfOwnSocket();
    expectConnect(fd_);  // it may have been made before exec
    if (addPending(fd_, std::move(link_), shown_, destination_, deadline_)) return fail(result);
    disconnect(fd_);
    return -1;
  }

  std::optional<int> beginHere(const std::vector<Endpoint>& gateway) {
    borrowing_ = canBorrow(gateway);
    link_ = borrowing_
                ? std::make_unique<GatewayLink>(lib_.clientOptions(), request(), gateway, shown_.family, fd_)
                : std::make_unique<GatewayLink>(lib_.clientOptions(), request(), gateway, shown_.family);
    patience_ = std::min(deadline_, sendTimeout(fd_));
    return advance();
  }

  std::optional<int> advance() {
    auto progress = link_->advance();
    if (!progress) return giveUp(failureOf(*link_, progress.error(), destination_));
    if (*progress != GatewayLink::Progress::done) return std::nullopt;
    const auto code = link_->reply().code;
    if (code != socks5::ReplyCode::succeeded) return giveUp(errnoOf(socks5::failureOf(code)));
    return succeed();
  }

  // The connection attempt goes on, as POSIX asks, and the socket shows it as under way.
  int leaveToBackground(int result) {
    shown_.untold = true;
    if (borrowing_) {
      if (!link_->keepOwnDuplicate()) return giveUp(result);
      if (!replaceByPending(fd_, toAf(shown_.family))) return giveUp(result);
    } else if (!makePending(fd_) && !replaceByPending(fd_, toAf(shown_.family))) {
      return giveUp(result);
    }
    return continueInBackground(result);
  }

  int giveUp(int error) {
    if (borrowing_) disconnect(fd_);
    link_.reset();
    return fail(error);
  }

  int succeed() {
    noteFamilyOfOwnSocket();
    if (const auto end = shownLocalEnd(link_->reply(), destination_, shown_.family)) shown_.local = end;
    lib_.sockets().remember(socketCookie(link_->fd()), shown_);
    if (!borrowing_) swapUnder({fd_}, link_->takeSocket());
    noteConnection(fd_, destination_, shown_.peer);
    settled(fd_);
    return 0;
  }

  // A socket of the other family has no address that the program could be shown as its own.
  void noteFamilyOfOwnSocket() {
    if (borrowing_) return;
    const auto local = localEndpoint(link_->fd());
    if (!local || local->address.family() == shown_.family) return;
    shown_.local = shown_.family == Family::ipv6 ? Endpoint{local->address.mapped(), local->port}
                                                 : Endpoint{IpAddress::any(Family::ipv4), local->port};
  }

  bool canBorrow(const std::vector<Endpoint>& gateway) const noexcept {
    return std::any_of(gateway.begin(), gateway.end(), [&](const Endpoint& endpoint) {
      if (endpoint.address.family() == shown_.family) return true;
      if (shown_.family == Family::ipv4) return false;
      int only = 1;
      socklen_t length = sizeof only;
      return real().getsockopt(fd_, IPPROTO_IPV6, IPV6_V6ONLY, &only, &length) == 0 && only == 0;
    });
  }

  SocksLib& lib_ = SocksLib::get();
  int fd_;
  Destination destination_;
  Clock::time_point deadline_;
  Clock::time_point patience_ = deadline_;
  ShownSocket shown_;
  std::unique_ptr<GatewayLink> link_;
  bool borrowing_ = false;
};

// What an earlier attempt on this socket left behind: its error, which is told once, or a state that
// the kernel would refuse a new attempt for.
int settleEarlierFailure(int fd) noexcept {
  SocketTable& sockets = SocksLib::get().sockets();
  const std::uint64_t cookie = socketCookie(fd);
  const auto earlier = sockets.lookup(cookie);
  if (!earlier) return 0;
  sockets.forget(cookie);
  disconnect(fd);
  return earlier->error;
}

bool isConnected(int fd) noexcept {
  sockaddr_storage storage;
  socklen_t length = sizeof storage;
  return real().getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) == 0;
}

// True once for a connection whose connect() was interrupted, as it is on Linux.
bool tellConnected(int fd) noexcept {
  SocketTable& sockets = SocksLib::get().sockets();
  const std::uint64_t cookie = socketCookie(fd);
  auto shown = sockets.lookup(cookie);
  if (!shown || !shown->untold) return false;
  shown->untold = false;
  sockets.remember(cookie, *shown);
  return true;
}

/// What is left of a connect(), for frames that hold nothing.
struct Rest {
  enum class Kind : std::uint8_t {
    none,     ///< it is over, with `result`
    direct,   ///< the C library's connect(), to `elsewhere` if that is set
    gateway,  ///< `attempt` waits for the Gateway
    pending,  ///< an earlier connect() goes on in the background: wait for that
  } kind = Kind::none;
  int result = -1;
  std::optional<Endpoint> elsewhere{};
  GatewayConnect* attempt = nullptr;
};

Rest over(int result) noexcept { return {Rest::Kind::none, result}; }

Rest beginAttempt(int fd, const Endpoint& peer, Destination destination) {
  auto attempt = std::make_unique<GatewayConnect>(fd, peer, std::move(destination));
  if (const auto result = attempt->begin()) {
    const KeepErrno keep;
    attempt.reset();
    return over(*result);
  }
  return {Rest::Kind::gateway, -1, {}, attempt.release()};
}

[[gnu::noinline]] Rest goOn(GatewayConnect* waiting, int waited) {
  const Uncancelled whole;
  std::unique_ptr<GatewayConnect> attempt(waiting);
  const auto result = attempt->goOn(waited);
  const KeepErrno keep;
  if (!result) return {Rest::Kind::gateway, -1, {}, attempt.release()};
  attempt.reset();
  return over(*result);
}

Rest beginStream(int fd, const Endpoint& peer) {
  if (isConnecting(fd)) return isBlocking(fd) ? Rest{Rest::Kind::pending} : over(fail(EALREADY));
  if (isConnected(fd)) return over(tellConnected(fd) ? 0 : fail(EISCONN));
  if (const int error = settleEarlierFailure(fd); error != 0) return over(fail(error));
  Route route = SocksLib::get().routeTo(peer, true);
  if (route.kind == Route::Kind::refused) return over(fail(route.error));
  if (route.kind == Route::Kind::gateway) return beginAttempt(fd, peer, std::move(route.destination));
  if (route.destination.name() == nullptr || route.destination.name()->empty()) return {Rest::Kind::direct};
  const auto endpoint = endpointOf(route.destination, peer.address.family());
  return endpoint ? Rest{Rest::Kind::direct, -1, endpoint} : over(fail(EHOSTUNREACH));
}

[[gnu::noinline]] Rest begin(int fd, const sockaddr* address, socklen_t length, const Endpoint& peer) {
  const Uncancelled whole;
  const int type = socketOption(fd, SO_TYPE);
  const int domain = socketOption(fd, SO_DOMAIN);
  const bool ofFamily = domain == toAf(peer.address.family());
  // A datagram socket of IPv6 may be connected to an address of IPv4.
  const bool widened = type == SOCK_DGRAM && domain == AF_INET6 && !ofFamily;
  // An address of the wrong family, and what is no socket: the kernel's own error.
  if (!ofFamily && !widened) return {Rest::Kind::direct};
  if (type == SOCK_STREAM) return beginStream(fd, peer);
  const Endpoint seen = widened ? Endpoint{peer.address.mapped(), peer.port} : peer;
  return over(connectDatagram(fd, address, length, seen));
}

// For poll(); 0 when the time has come.
int millisecondsUntil(Clock::time_point end) noexcept {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30));
}

// A cancellation point, and so are those that call it.
int waitFor(GatewayConnect& attempt) {
  const int left = millisecondsUntil(attempt.patience());
  if (left == 0) return ETIMEDOUT;
  pollfd ready = attempt.awaited();
  const int count = pollOrLetGo(ready, left, GatewayConnect::letGo, &attempt);
  return count < 0 && errno == EINTR && someHandlerInterrupts() ? EINTR : 0;
}

// How a connection in the background has ended.
[[gnu::noinline]] int endOfPending(int fd) {
  const Uncancelled whole;
  int error = 0;
  socklen_t length = sizeof error;
  // Our own, which knows the true error.
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return -1;
  if (error != 0) return fail(error);
  tellConnected(fd);
  return 0;
}

// A blocking socket waits, as the kernel has it do.
int waitForPending(int fd) {
  const auto end = sendTimeout(fd);
  while (isConnecting(fd)) {
    const int left = millisecondsUntil(end);
    if (left == 0) return fail(EALREADY);
    pollfd one{fd, POLLOUT, 0};
    // Our own, which sees the swap.
    if (::poll(&one, 1, left) < 0 && errno == EINTR && someHandlerInterrupts()) return fail(EINTR);
  }
  return endOfPending(fd);
}

int connectDirectly(int fd, const Endpoint& endpoint) {
  sockaddr_storage storage;
  const socklen_t length = endpoint.toSockaddr(storage);
  return real().connect(fd, reinterpret_cast<const sockaddr*>(&storage), length);
}

}  // namespace

void forgetPeer(int fd) noexcept {
  if (!mayConnect(fd) && !mayBeAssociated(fd)) return;
  const KeepErrno keep;
  if (const auto association = associationOf(fd)) association->setPeer(std::nullopt);
  SocksLib::get().sockets().forget(socketCookie(fd));
}

int socketOption(int fd, int option) noexcept {
  int value = -1;
  socklen_t length = sizeof value;
  return real().getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

std::optional<Endpoint> localEndpoint(int fd) noexcept {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (real().getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
  return Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), length);
}

Family familyOfSocket(int fd) noexcept {
  return socketOption(fd, SO_DOMAIN) == AF_INET ? Family::ipv4 : Family::ipv6;
}

int connectSocket(int fd, const sockaddr* address, socklen_t length) {
  const auto peer = Endpoint::from(address, length);
  if (!peer) return real().connect(fd, address, length);
  const int before = errno;
  Rest rest = begin(fd, address, length, *peer);
  while (rest.kind == Rest::Kind::gateway) rest = goOn(rest.attempt, waitFor(*rest.attempt));
  if (rest.kind == Rest::Kind::pending) rest.result = waitForPending(fd);
  if (rest.kind == Rest::Kind::direct) {
    errno = before;
    return rest.elsewhere ? connectDirectly(fd, *rest.elsewhere) : real().connect(fd, address, length);
  }
  if (rest.result == 0) errno = before;
  return rest.result;
}

}  // namespace crossgate::socksify

extern "C" int connect(int fd, const sockaddr* address, socklen_t length) {
  using namespace crossgate::socksify;
  // Other families (AF_UNIX, AF_NETLINK) go by at once; AF_UNSPEC undoes what connect() did.
  if (address != nullptr && length >= sizeof(sa_family_t) && address->sa_family == AF_UNSPEC) forgetPeer(fd);
  if (address == nullptr || length < sizeof(sa_family_t) ||
      (address->sa_family != AF_INET && address->sa_family != AF_INET6)) {
    return real().connect(fd, address, length);
  }
  return connectSocket(fd, address, length);
}
