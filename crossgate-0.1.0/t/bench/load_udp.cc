// SPDX-License-Identifier: BSD-2-Clause
// Mode udp: --relays associations (RFC 1928, section 7), each with --window datagrams of --octets
// under way to an echoing destination and back.
//
// A datagram counts as one when it comes back, though the server has relayed it twice.  What has not
// come back 200 ms after anything did is lost.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "t/bench/datagrams.h"
#include "t/bench/load.h"

namespace crossgate::bench {
namespace {

constexpr double lostAfterSeconds = 0.2;
constexpr unsigned sequenceOctets = 8;
constexpr std::size_t ringSize = 256;  // sequence numbers remembered: more than the largest window

struct State {
  Load& load;
  Window window;
  std::uint64_t returned = 0;
  std::uint64_t lost = 0;
};

class Association {
 public:
  Association(State& state, unsigned index, std::unique_ptr<Stream> control, Octets header, Fd fd)
      : state_(state),
        payload_(index),
        control_(std::move(control)),
        header_(std::move(header)),
        socket_(state.load.loop, std::move(fd)),
        batch_(64, header_.size() + 64 + state.load.options.octets) {}

  Task<bool> play();

 private:
  void sendMore();
  void take();
  bool accept(std::span<const std::uint8_t> datagram);
  std::size_t octets() const { return std::max(state_.load.options.octets, sequenceOctets); }

  State& state_;
  Payload payload_;
  std::unique_ptr<Stream> control_;
  Octets header_;
  Socket socket_;
  Datagrams batch_;
  std::array<std::uint64_t, ringSize> sent_{};  // the sequence numbers under way
  std::uint64_t next_ = 1;
  unsigned underWay_ = 0;
};

// Each datagram: header, sequence number, payload from a place that the sequence number determines.
void Association::sendMore() {
  const unsigned count = state_.load.options.window - underWay_;
  if (count == 0) return;
  for (unsigned i = 0; i < count; ++i) {
    auto room = batch_.room(i);
    std::copy(header_.begin(), header_.end(), room.begin());
    const std::uint64_t sequence = next_ + i;
    std::memcpy(room.data() + header_.size(), &sequence, sequenceOctets);
    const auto piece = payload_.at(sequence, octets() - sequenceOctets);
    std::copy(piece.begin(), piece.end(),
              room.begin() + static_cast<std::ptrdiff_t>(header_.size() + sequenceOctets));
  }
  const unsigned went = batch_.send(socket_.fd(), count, header_.size() + octets());
  for (unsigned i = 0; i < went; ++i, ++next_) sent_[next_ % ringSize] = next_;
  underWay_ += went;
}

// True for a datagram that was under way; a late one was counted as lost already.
bool Association::accept(std::span<const std::uint8_t> datagram) {
  if (!header_.empty()) {
    Reader reader(datagram);
    const auto header = socks5::decodeUdpHeader(reader);
    if (!header || header->fragment != 0 || header->destination.port != state_.load.destinationPort) {
      ++sharedTally().wrong;
      return false;
    }
    datagram = reader.rest();
  }
  std::uint64_t sequence = 0;
  if (datagram.size() == octets()) std::memcpy(&sequence, datagram.data(), sequenceOctets);
  if (sequence == 0 || sequence >= next_ || !payload_.matches(sequence, datagram.subspan(sequenceOctets))) {
    ++sharedTally().wrong;
    return false;
  }
  if (sent_[sequence % ringSize] != sequence) return false;
  sent_[sequence % ringSize] = 0;
  return true;
}

void Association::take() {
  while (const unsigned got = batch_.receive(socket_.fd())) {
    for (unsigned i = 0; i < got; ++i) {
      if (!accept(batch_.received(i))) continue;
      --underWay_;
      if (state_.window.open()) ++state_.returned;
    }
  }
}

Task<bool> Association::play() {
  while (!state_.load.loop.stopping()) {
    sendMore();
    socket_.setDeadline(after(lostAfterSeconds));
    const bool some = co_await socket_.readable();
    if (some) {
      take();
    } else if (!state_.load.loop.stopping()) {
      if (state_.window.open()) state_.lost += underWay_;
      underWay_ = 0;
      sent_.fill(0);
    }
  }
  co_return true;
}

// The relay's UDP address: a wildcard means the host that we asked.
Endpoint relayAddress(const Opened& opened, const Endpoint& gateway) {
  const IpAddress* address = opened.bound.address();
  return {address && !address->isUnspecified() ? *address : gateway.address, opened.bound.port};
}

struct Opening {
  std::unique_ptr<Stream> control;
  Octets header;
  Endpoint to;
};

Task<bool> associate(Load& load, Opening& opening) {
  opening.to = {IpAddress::loopback(load.options.family), load.destinationPort};
  if (load.options.route.direct()) co_return true;
  Opened opened =
      co_await load.client.open(socks5::Command::udpAssociate,
                                {IpAddress::any(load.options.route.gateway->address.family()), 0}, after(10));
  if (!opened.stream) {
    load.report.fail("no association: " + whyNot(opened));
    co_return false;
  }
  opening.to = relayAddress(opened, *load.options.route.gateway);
  encode(socks5::UdpHeader{0, load.destination()}, opening.header);
  opening.control = std::move(opened.stream);
  opening.control->socket().setDeadline(TimePoint::max());
  co_return true;
}

Fd connectedUdp(const Endpoint& to) {
  Fd fd(socket(toAf(to.address.family()), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_storage address;
  const socklen_t length = to.toSockaddr(address);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) fd.reset();
  return fd;
}

Job playOne(Loop& loop, State& state, unsigned index, unsigned& ready) {
  Opening opening;
  const bool associated = co_await associate(state.load, opening);
  if (!associated) {
    loop.stop();
    co_return;
  }
  Fd fd = connectedUdp(opening.to);
  if (!fd) {
    state.load.report.fail("UDP to " + opening.to.toString() + ": " + std::strerror(errno));
    loop.stop();
    co_return;
  }
  enlargeReceiveBuffer(fd.get());
  Association association(state, index, std::move(opening.control), std::move(opening.header), std::move(fd));
  ++ready;
  co_await association.play();
}

Job conduct(Loop& loop, State& state) {
  unsigned ready = 0;
  for (unsigned i = 0; i < state.load.options.relays; ++i) playOne(loop, state, i, ready);
  while (ready < state.load.options.relays && !loop.stopping()) co_await loop.sleep(0.01);
  co_await state.window.pass();
  loop.stop();
}

}  // namespace

void runUdp(Load& load) {
  State state{load, Window(load)};
  conduct(load.loop, state);
  load.loop.run(400);
  Report& report = load.report;
  if (report.failed()) return;
  const auto returned = static_cast<double>(state.returned);
  report.add("rate", returned / state.window.seconds(),
             "datagrams per second, there and back counted as one");
  report.add("lost", static_cast<double>(state.lost), "datagrams that did not come back");
  report.add("lost_share",
             static_cast<double>(state.lost) / std::max(returned + static_cast<double>(state.lost), 1.0), "");
  if (load.server)
    report.add("cpu_us_each", state.window.serverCpu() * 1e6 / std::max(returned, 1.0),
               "the server's CPU for one, there and back");
  state.window.reportLoad(report);
  if (!state.returned) report.fail("no datagram came back");
}

}  // namespace crossgate::bench
