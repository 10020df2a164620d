// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/relay.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "gateway/socket_options.h"

namespace crossgate {
namespace {

// One copy buffer serves every relay of a worker: it is full only between a read and the write that
// follows it; what a write leaves goes to a buffer of its own.
constexpr std::size_t copySize = 64 * 1024;
std::array<std::uint8_t, copySize> copyBuffer;

// A read this large says the traffic is bulk, which splice moves for less CPU; see t/bench.
constexpr std::size_t bulkRead = 16 * 1024;
constexpr std::size_t spliceSize = 1024 * 1024;

enum class PumpEnd : std::uint8_t { running, finished, readFailed, writeFailed };

// One direction.
class Pump {
 public:
  Pump(PipePool& pipes, Stream& from, Stream& to, std::uint64_t& count, Deadline& lastActivity)
      : pipes_(pipes), from_(from), to_(to), count_(count), lastActivity_(lastActivity) {}

  void start(OctetSpan early, Signal& ended) {
    task_ = run(early);
    ended_ = &ended;
    task_.start([](void* signal) noexcept { static_cast<Signal*>(signal)->notify(); }, ended_);
  }
  PumpEnd end() const noexcept { return end_; }

 private:
  Task<void> run(OctetSpan early) {
    const bool spliceable = from_.isPlain() && to_.isPlain();
    count_ += early.size();
    end_ = co_await write(early) ? PumpEnd::running : PumpEnd::writeFailed;
    while (end_ == PumpEnd::running) {
      const Io io = bulk_ ? spliceIn() : from_.read(copyBuffer);
      switch (io.state) {
        case Io::State::done:
          note(io.octets);
          if (!(bulk_ ? co_await spliceOut() : co_await write(OctetSpan(copyBuffer).first(io.octets)))) {
            end_ = PumpEnd::writeFailed;
          }
          bulk_ = spliceable && io.octets >= bulkRead;
          break;
        case Io::State::closed:
          // What a layer above TCP still holds goes out with the end of the direction.
          for (Io end = to_.finish(); end.state == Io::State::wantRead || end.state == Io::State::wantWrite;
               end = to_.finish()) {
            co_await waitFor(to_, end.state, never);
          }
          end_ = PumpEnd::finished;
          break;
        case Io::State::failed: end_ = PumpEnd::readFailed; break;
        case Io::State::wantRead:
        case Io::State::wantWrite:
          bulk_ = false;  // the next octets may be a short message
          pipe_.giveBack();
          co_await waitFor(from_, io.state, never);
          break;
      }
    }
  }

  // Deadlines of single waits are `never` here: relay() ends an idle relay as a whole.
  Task<bool> write(OctetSpan data) {
    Octets kept;
    while (!data.empty()) {
      const Io io = to_.write(data);
      if (io.state == Io::State::done) {
        data = data.subspan(io.octets);
      } else if (io.state == Io::State::wantRead || io.state == Io::State::wantWrite) {
        if (kept.empty()) {
          kept.assign(data.begin(), data.end());  // the copy buffer belongs to all relays
          data = kept;
        }
        co_await waitFor(to_, io.state, never);
      } else {
        co_return false;
      }
    }
    co_return true;
  }

  Io spliceIn() {
    if (!pipe_) pipe_ = pipes_.borrow();
    if (!pipe_) {  // no descriptors left: copying needs none
      bulk_ = false;
      return from_.read(copyBuffer);
    }
    for (;;) {
      const ssize_t count = splice(from_.socket().fd(), nullptr, pipe_.writeEnd(), nullptr, spliceSize,
                                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
      if (count > 0) {
        pipe_.held = static_cast<std::size_t>(count);
        return {Io::State::done, pipe_.held, 0};
      }
      if (count == 0) return {Io::State::closed, 0, 0};
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return {Io::State::failed, 0, errno};
      from_.socket().blockedReading();
      return {Io::State::wantRead, 0, 0};
    }
  }

  Task<bool> spliceOut() {
    Socket& socket = to_.socket();
    while (pipe_.held > 0) {
      const ssize_t count = splice(pipe_.readEnd(), nullptr, socket.fd(), nullptr, pipe_.held,
                                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
      if (count > 0) {
        pipe_.held -= static_cast<std::size_t>(count);
      } else if (count < 0 && errno == EAGAIN) {
        socket.blockedWriting();
        co_await socket.writable(never);
      } else if (count == 0 || errno != EINTR) {
        co_return false;
      }
    }
    co_return true;
  }

  void note(std::size_t octets) {
    count_ += octets;
    lastActivity_ = Clock::now();
  }

  PipePool& pipes_;
  Stream& from_;
  Stream& to_;
  std::uint64_t& count_;
  Deadline& lastActivity_;
  Signal* ended_ = nullptr;
  Pipe pipe_;
  PumpEnd end_ = PumpEnd::running;
  bool bulk_ = false;
  Task<void> task_;  // dies first: it uses all of the above
};

}  // namespace

const char* toString(RelayEnd end) noexcept {
  switch (end) {
    case RelayEnd::finished: return "ok";
    case RelayEnd::resetByClient: return "reset-by-client";
    case RelayEnd::resetByDestination: return "reset-by-destination";
    case RelayEnd::idle: return "idle-timeout";
  }
  return "ok";
}

Task<RelayEnd> relay(PipePool& pipes, Stream& client, Stream& destination, Inbox& early,
                     RelayTimeouts timeouts, Traffic& traffic) {
  Deadline lastActivity = Clock::now();
  Signal ended(client.socket().loop());
  Pump up(pipes, client, destination, traffic.sent, lastActivity);
  Pump down(pipes, destination, client, traffic.received, lastActivity);
  up.start(early.unread(), ended);
  down.start({}, ended);

  RelayEnd end = RelayEnd::finished;
  for (;;) {
    // A side that can be neither read nor written is reset; so is the other, and RST says so to it.
    if (up.end() == PumpEnd::readFailed || down.end() == PumpEnd::writeFailed) {
      end = RelayEnd::resetByClient;
      break;
    }
    if (down.end() == PumpEnd::readFailed || up.end() == PumpEnd::writeFailed) {
      end = RelayEnd::resetByDestination;
      break;
    }
    const bool upDone = up.end() == PumpEnd::finished;
    const bool downDone = down.end() == PumpEnd::finished;
    if (upDone && downDone) co_return RelayEnd::finished;
    const Deadline patience = lastActivity + (upDone || downDone ? timeouts.halfClosed : timeouts.idle);
    if (Clock::now() >= patience) {
      end = RelayEnd::idle;
      break;
    }
    co_await ended.wait(patience);
  }
  resetOnClose(client.socket().fd());
  resetOnClose(destination.socket().fd());
  co_return end;
}

}  // namespace crossgate
