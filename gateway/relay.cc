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
// follows it; what a write leaves moves to a buffer of the relay's own.
constexpr std::size_t copySize = 64 * 1024;
std::array<std::uint8_t, copySize> copyBuffer;

// Reads at least this large say that the traffic is bulk, which splice(2) moves for less CPU; below the
// other bound it is messages again, for which one copy is cheaper than two splices.  See t/bench.
constexpr std::size_t bulkBegins = 16 * 1024;
constexpr std::size_t bulkEnds = 4 * 1024;
constexpr std::size_t spliceSize = 1024 * 1024;
// What one direction moves in a row before the worker's other relays have their turn.  A read of a few octets,
// which is all that a message of TLS or GSSAPI may hold, takes as long as one of this many.
constexpr std::size_t turnSize = 4 * 1024 * 1024;
constexpr std::size_t readCost = 4 * 1024;

enum class PumpEnd : std::uint8_t { running, finished, readFailed, writeFailed };

bool wantsToWait(const Io& io) noexcept {
  return io.state == Io::State::wantRead || io.state == Io::State::wantWrite;
}

// One direction: pulls from one side, pushes what it holds to the other, and reads nothing more
// before that is gone.
class Pump {
 public:
  // What it waits for before it goes on: a side; null for the turn of others, or where it has ended.
  struct Pause {
    Stream* side = nullptr;
    Io::State wanted = Io::State::wantRead;
    EitherSocket::Readiness awaited() const noexcept { return {side->socket(), wanted == Io::State::wantRead}; }
  };

  Pump(PipePool& pipes, Stream& from, Stream& to, std::uint64_t& count, Deadline& lastActivity)
      : pipes_(pipes), from_(from), to_(to), count_(count), lastActivity_(lastActivity) {}

  void begin(Octets early, const Pump& opposite) {
    kept_ = std::move(early);
    held_ = kept_;
    count_ += held_.size();
    opposite_ = &opposite;
  }

  // Moves octets until it has to pause, or until the direction has ended.
  Pause advance() {
    std::size_t inARow = 0;
    while (end_ == PumpEnd::running) {
      if (holdsOctets()) {
        const Io io = push();
        if (io.state == Io::State::failed) end_ = PumpEnd::writeFailed;
        if (!wantsToWait(io)) continue;
        keepHeld();
        return {&to_, io.state};
      }
      if (sourceEnded_) {
        const Io io = passEndOn();
        if (wantsToWait(io)) return {&to_, io.state};
        end_ = PumpEnd::finished;
        continue;
      }
      const Io io = pull();
      if (io.state == Io::State::failed) end_ = PumpEnd::readFailed;
      if (io.state == Io::State::closed) sourceEnded_ = true;
      if (wantsToWait(io)) {
        pipe_.giveBack();
        return {&from_, io.state};
      }
      inARow += std::max(io.octets, readCost);
      if (inARow >= turnSize) {
        if (!bulk_) keepHeld();
        return {};
      }
    }
    return {};
  }

  PumpEnd end() const noexcept { return end_; }

 private:
  // Where the other side has ended too, and there is nothing above TCP, the close that follows says the same.
  Io passEndOn() {
    if (opposite_->end() == PumpEnd::finished && to_.isPlain()) return {Io::State::done, 0, 0};
    return to_.finish();
  }

  bool holdsOctets() const noexcept { return !held_.empty() || pipe_.held > 0; }

  Io pull() {
    const Io io = bulk_ ? spliceIn() : from_.read(copyBuffer);
    if (io.state != Io::State::done) return io;
    if (!bulk_) held_ = OctetSpan(copyBuffer).first(io.octets);
    bulk_ = io.octets >= (bulk_ ? bulkEnds : bulkBegins) && from_.isPlain() && to_.isPlain();
    count_ += io.octets;
    lastActivity_ = Clock::now();
    return io;
  }

  Io push() {
    if (pipe_.held > 0) return spliceOut();
    const Io io = to_.write(held_);
    if (io.state != Io::State::done) return io;
    held_ = held_.subspan(io.octets);
    if (held_.empty()) Octets().swap(kept_);
    return io;
  }

  // The copy buffer belongs to all relays: what is held over a wait must move.
  void keepHeld() {
    if (held_.data() < copyBuffer.data() || held_.data() >= copyBuffer.data() + copyBuffer.size()) return;
    kept_.assign(held_.begin(), held_.end());
    held_ = kept_;
  }

  Io spliceIn() {
    Socket& socket = from_.socket();
    if (!socket.mayRead()) return {Io::State::wantRead, 0, 0};
    if (!pipe_) pipe_ = pipes_.borrow();
    if (!pipe_) {  // no descriptors left: copying needs none
      bulk_ = false;
      return from_.read(copyBuffer);
    }
    const Io io = moved(splice(socket.fd(), nullptr, pipe_.writeEnd(), nullptr, spliceSize, spliceFlags));
    if (io.state == Io::State::done) pipe_.held = io.octets;
    if (io.state == Io::State::wantRead) socket.blockedReading();
    return io;
  }

  Io spliceOut() {
    Socket& socket = to_.socket();
    if (!socket.mayWrite()) return {Io::State::wantWrite, 0, 0};
    Io io = moved(splice(pipe_.readEnd(), nullptr, socket.fd(), nullptr, pipe_.held, spliceFlags));
    if (io.state == Io::State::done) pipe_.held -= io.octets;
    if (io.state == Io::State::wantRead) {
      socket.blockedWriting();
      io.state = Io::State::wantWrite;
    }
    return io;
  }

  static Io moved(ssize_t count) noexcept {
    if (count > 0) return {Io::State::done, static_cast<std::size_t>(count), 0};
    if (count == 0) return {Io::State::closed, 0, 0};
    if (errno == EAGAIN) return {Io::State::wantRead, 0, 0};
    return {Io::State::failed, 0, errno};
  }

  static constexpr unsigned spliceFlags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;

  PipePool& pipes_;
  Stream& from_;
  Stream& to_;
  std::uint64_t& count_;
  Deadline& lastActivity_;
  const Pump* opposite_ = nullptr;
  OctetSpan held_;  // what is to be pushed: in the copy buffer or in kept_
  Octets kept_;
  Pipe pipe_;
  PumpEnd end_ = PumpEnd::running;
  bool sourceEnded_ = false;
  bool bulk_ = false;
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
  Pump up(pipes, client, destination, traffic.sent, lastActivity);
  Pump down(pipes, destination, client, traffic.received, lastActivity);
  Alarm alarm(client.socket().loop());
  up.begin(early.take(), down);
  down.begin({}, up);

  RelayEnd end = RelayEnd::finished;
  for (;;) {
    const Pump::Pause upPause = up.advance();
    const Pump::Pause downPause = down.advance();
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
    // Before any pause: it rings by what was said last.
    alarm.set(lastActivity + (upDone || downDone ? timeouts.halfClosed : timeouts.idle));
    if ((upPause.side == nullptr && !upDone) || (downPause.side == nullptr && !downDone)) {
      co_await NextTurn(client.socket().loop());
      continue;
    }
    if (alarm.rang()) {
      end = RelayEnd::idle;
      break;
    }
    // A direction that has ended waits with the other.
    EitherSocket wait((upDone ? downPause : upPause).awaited(), (downDone ? upPause : downPause).awaited(), alarm);
    co_await wait;
  }
  resetOnClose(client.socket().fd());
  resetOnClose(destination.socket().fd());
  co_return end;
}

}  // namespace crossgate
