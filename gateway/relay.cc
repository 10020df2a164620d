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
// What one direction moves in a row before the worker's other relays have their turn.
constexpr std::size_t turnSize = 4 * 1024 * 1024;

enum class PumpEnd : std::uint8_t { running, finished, readFailed, writeFailed };

bool wantsToWait(const Io& io) noexcept {
  return io.state == Io::State::wantRead || io.state == Io::State::wantWrite;
}

// One direction: pulls from one side, pushes what it holds to the other, and reads nothing more
// before that is gone.  Single waits have no deadline here: relay() ends an idle relay as a whole.
class Pump {
 public:
  Pump(PipePool& pipes, Stream& from, Stream& to, std::uint64_t& count, Deadline& lastActivity)
      : pipes_(pipes), from_(from), to_(to), count_(count), lastActivity_(lastActivity) {}

  void start(OctetSpan early, const Pump& opposite, Signal& ended) {
    held_ = early;
    count_ += early.size();
    opposite_ = &opposite;
    task_ = run();
    task_.start([](void* signal) noexcept { static_cast<Signal*>(signal)->notify(); }, &ended);
  }
  PumpEnd end() const noexcept { return end_; }

 private:
  // What the pump waits for before it goes on: a side, or null for the turn of others.
  struct Pause {
    Stream* side = nullptr;
    Io::State wanted = Io::State::wantRead;
  };

  Task<void> run() {
    for (;;) {
      const Pause pause = advance();
      if (end_ != PumpEnd::running) co_return;
      if (pause.side != nullptr) {
        co_await waitFor(*pause.side, pause.wanted, never);
      } else {
        co_await NextTurn(from_.socket().loop());
      }
      inARow_ = 0;
    }
  }

  // Moves octets until it has to pause, or until the direction has ended.
  Pause advance() {
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
      if (inARow_ >= turnSize) {
        if (!bulk_) keepHeld();
        return {};
      }
    }
    return {};
  }

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
    inARow_ += io.octets;
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
  OctetSpan held_;  // what is to be pushed: in the copy buffer, in kept_, or the early octets
  Octets kept_;
  Pipe pipe_;
  std::size_t inARow_ = 0;  // octets since the last wait
  PumpEnd end_ = PumpEnd::running;
  bool sourceEnded_ = false;
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
  up.start(early.unread(), down, ended);
  down.start({}, up, ended);

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
