// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/dial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <list>

#include "gateway/address_order.h"
#include "gateway/process.h"
#include "gateway/socket_options.h"

namespace crossgate {
namespace {

int rankOf(Failure failure) {
  switch (failure) {
    case Failure::refused: return 6;
    case Failure::timedOut: return 5;
    case Failure::hostUnreachable: return 4;
    case Failure::networkUnreachable: return 3;
    case Failure::denied: return 2;
    default: return 1;
  }
}

// The last descriptors of a process are for clients, who could not be told a refusal otherwise.
bool isReserved(int fd) {
  constexpr std::size_t reserve = 64;
  return static_cast<std::size_t>(fd) + reserve >= std::max(descriptorLimit(), 4 * reserve);
}

Result<Fd> openSocket(const Endpoint& to, const DialOptions& options) {
  Fd fd(socket(toAf(to.address.family()), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return systemError("socket", errno);
  if (isReserved(fd.get())) return systemError("socket", EMFILE);
  const auto& source = to.address.isV4() ? options.sourceV4 : options.sourceV6;
  if (source) {
    setOption(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);  // the port is chosen by connect()
    sockaddr_storage storage;
    const socklen_t length = Endpoint{*source, 0}.toSockaddr(storage);
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) {
      return systemError(("bind to " + source->toString()).c_str(), errno);
    }
  }
  setRelayOptions(fd.get(), options.keepalive);
  return fd;
}

// A peer that accepts and resets at once has refused: it is not the client that has gone (Failure::peerGone).
Error connectError(int number) {
  Error error = systemError("connect", number);
  if (error.failure == Failure::peerGone) error.failure = Failure::refused;
  return error;
}

// One attempt at one address.
Task<Result<Connection>> connectTo(EventLoop& loop, DialOptions options, Endpoint to, Deadline deadline) {
  auto fd = openSocket(to, options);
  if (!fd) co_return fd.error();
  auto stream = std::make_unique<PlainStream>(loop, *std::move(fd));
  Socket& socket = stream->socket();

  sockaddr_storage storage;
  const socklen_t length = to.toSockaddr(storage);
  if (connect(socket.fd(), reinterpret_cast<sockaddr*>(&storage), length) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) co_return connectError( errno);
    // What has come before the first wait, the wait tells.
    socket.blockedReading();
    // A destination on this host has answered by now; only then the socket has a peer.
    if (!peerEndpoint(socket.fd())) {
      socket.blockedWriting();
      if (co_await socket.writable(deadline) == Wake::timedOut) co_return connectError( ETIMEDOUT);
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) co_return connectError( error);
    }
  }
  const auto local = localEndpoint(socket.fd());
  co_return Connection{std::move(stream), to, local.value_or(Endpoint{})};
}

// The addresses still to be tried, best first, the families in turn (RFC 8305, section 4).
class Candidates {
 public:
  Candidates(Preference prefer, const Admit& admit) : prefer_(prefer), admit_(admit) {}

  // Takes in what a look-up has learnt of one family.
  void add(const std::vector<ResolvedAddress>& addresses, const std::string& foundAs) {
    for (const ResolvedAddress& found : addresses) {
      if (const auto admitted = admit_(found.address, foundAs); !admitted) {
        denied_ = admitted.error();
        continue;
      }
      addresses_.push_back(found.address);
    }
    orderAddresses(addresses_, prefer_ == Preference::ipv4);
  }

  bool empty() const { return addresses_.empty(); }
  const std::optional<Error>& denied() const { return denied_; }

  IpAddress take() {
    const auto other = std::find_if(addresses_.begin(), addresses_.end(),
                                    [&](const IpAddress& a) { return !last_ || a.family() != *last_; });
    const auto chosen = other != addresses_.end() ? other : addresses_.begin();
    const IpAddress address = *chosen;
    addresses_.erase(chosen);
    last_ = address.family();
    return address;
  }

 private:
  Preference prefer_;
  const Admit& admit_;
  std::vector<IpAddress> addresses_;
  std::optional<Family> last_;
  std::optional<Error> denied_;
};

// The race of RFC 8305 for one name.
class Race {
 public:
  Race(Resolver& resolver, const DialOptions& options, const std::string& name, std::uint16_t port,
       const Admit& admit, Deadline deadline)
      : options_(options),
        port_(port),
        deadline_(deadline),
        loop_(resolver.loop()),
        changed_(loop_),
        candidates_(options.prefer, admit),
        lookup_(resolver, name, options.prefer != Preference::ipv6Only,
                options.prefer != Preference::ipv4Only, changed_) {}

  Task<Result<Connection>> run() {
    for (;;) {
      learn();
      if (auto winner = collect()) co_return *std::move(winner);
      startDue();
      if (attempts_.empty() && candidates_.empty() && lookup_.done()) co_return whyNot();
      const Wake wake = co_await changed_.wait(nextEvent());
      if (wake == Wake::timedOut && Clock::now() >= deadline_) {
        note({Failure::timedOut, "no answer within the connect timeout"});
        co_return whyNot();
      }
    }
  }

 private:
  struct Attempt {
    Task<Result<Connection>> task;
  };

  void learn() {
    for (const Family family : {Family::ipv6, Family::ipv4}) {
      bool& taken = taken_[static_cast<std::size_t>(family)];
      if (taken || !lookup_.done(family)) continue;
      taken = true;
      candidates_.add(lookup_.addresses(family), lookup_.foundAs(family));
      if (started_) continue;  // a race that is on keeps its pace
      // RFC 8305, section 3: an A answer waits a moment for the AAAA one that may be better.
      if (family == preferredFamily() || lookup_.done()) {
        earliest_ = Clock::now();
      } else if (earliest_ == never) {
        earliest_ = Clock::now() + resolutionDelay;
      }
    }
  }

  Family preferredFamily() const {
    return options_.prefer == Preference::ipv4 || options_.prefer == Preference::ipv4Only ? Family::ipv4
                                                                                          : Family::ipv6;
  }

  // The attempt that succeeded, if one did; those that failed make room for the next at once.
  std::optional<Result<Connection>> collect() {
    for (auto it = attempts_.begin(); it != attempts_.end();) {
      if (!it->task.done()) {
        ++it;
        continue;
      }
      Result<Connection> result = std::move(it->task.result());
      it = attempts_.erase(it);
      if (result) return result;
      note(result.error());
      earliest_ = std::min(earliest_, Clock::now());
    }
    return std::nullopt;
  }

  void startDue() {
    if (candidates_.empty() || Clock::now() < earliest_) return;
    attempts_.push_back({connectTo(loop_, options_, Endpoint{candidates_.take(), port_}, deadline_)});
    started_ = true;
    earliest_ = Clock::now() + connectionAttemptDelay;
    attempts_.back().task.start([](void* signal) noexcept { static_cast<Signal*>(signal)->notify(); },
                                &changed_);
  }

  Deadline nextEvent() const { return candidates_.empty() ? deadline_ : std::min(deadline_, earliest_); }

  void note(const Error& error) {
    if (!failure_ || rankOf(error.failure) > rankOf(failure_->failure)) failure_ = error;
  }

  Error whyNot() const {
    if (failure_) return *failure_;
    if (candidates_.denied()) return *candidates_.denied();
    return lookup_.failure();
  }

  const DialOptions& options_;
  std::uint16_t port_;
  Deadline deadline_;
  EventLoop& loop_;
  Signal changed_;
  Candidates candidates_;
  Lookup lookup_;
  bool taken_[2] = {false, false};
  bool started_ = false;
  Deadline earliest_ = never;  // when the next attempt may start
  std::list<Attempt> attempts_;
  std::optional<Error> failure_;
};

}  // namespace

Task<Result<Connection>> dial(Resolver& resolver, DialOptions options, Destination destination, Admit admit,
                              Deadline deadline) {
  if (const IpAddress* literal = destination.address()) {
    const IpAddress address = literal->unmapped();
    if (const auto admitted = admit(address, {}); !admitted) co_return admitted.error();
    co_return co_await connectTo(resolver.loop(), options, Endpoint{address, destination.port}, deadline);
  }
  Race race(resolver, options, *destination.name(), destination.port, admit, deadline);
  co_return co_await race.run();
}

}  // namespace crossgate
