// SPDX-License-Identifier: BSD-2-Clause
// What a coroutine waits for: a Socket that is readable or writable, a time, a Signal of another
// coroutine.  The only file that touches libevent on behalf of the coroutines.
//
// Every wait has a deadline (`never` where a caller's own timer bounds it) and is taken back when its
// coroutine is destroyed.  libevent's callbacks are noexcept trampolines that resume a coroutine and
// do nothing else.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>

#include "lib/fd.h"

namespace crossgate {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;
inline constexpr Deadline never = Deadline::max();
inline Deadline in(Clock::duration duration) { return Clock::now() + duration; }

enum class Wake : std::uint8_t { ready, timedOut };

struct EventBaseDeleter {
  void operator()(event_base* base) const noexcept { event_base_free(base); }
};

class EventLoop;

/// An event that is deleted with its owner.  `callback` is called with `context`.
class Event {
 public:
  using Callback = void (*)(evutil_socket_t, short what, void* context) noexcept;
  Event(EventLoop& loop, int fd, short what, Callback callback, void* context) noexcept;
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// What it is of from now on; to be added again.
  void change(short what) noexcept;
  void add() noexcept;
  /// Adds, or moves the time of, a timeout; `never` adds without one.
  void addUntil(Deadline deadline) noexcept;
  void remove() noexcept;
  void removeTimer() noexcept;

 private:
  event event_;
};

/// One libevent loop.
class EventLoop {
 public:
  EventLoop();  ///< throws std::runtime_error when libevent can't give a loop
  event_base* base() const noexcept { return base_.get(); }
  /// Handles what is due, waiting for it if nothing is.
  void turn();

 private:
  friend class NextTurn;
  static void onNextTurn(evutil_socket_t, short what, void* self) noexcept;

  std::unique_ptr<event_base, EventBaseDeleter> base_;
  Event nextTurn_;
  std::list<std::coroutine_handle<>> resting_;  // those who go on when nextTurn_ comes
};

/// Waits until all else that is due has had its turn.
class [[nodiscard]] NextTurn {
 public:
  explicit NextTurn(EventLoop& loop) noexcept : loop_(loop) {}
  NextTurn(const NextTurn&) = delete;
  NextTurn& operator=(const NextTurn&) = delete;
  ~NextTurn();
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> awaiting);
  void await_resume() noexcept { place_.reset(); }

 private:
  EventLoop& loop_;
  std::optional<std::list<std::coroutine_handle<>>::iterator> place_;
};

/// A non-blocking descriptor of one coroutine, or of one reader and one writer.
///
/// It is registered edge-triggered, for reading at the first wait and for writing at the first wait that is for
/// that: few sockets ever are full, and every other would be reported as writable for nothing.  Use it so: where
/// mayRead(), try the system call; when it says EAGAIN, note that (blockedReading(), blockedWriting()) and await;
/// try again.
class Socket {
 public:
  Socket(EventLoop& loop, Fd fd) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();

  int fd() const noexcept { return fd_.get(); }
  EventLoop& loop() const noexcept { return loop_; }

  /// False while a system call would only say EAGAIN.
  bool mayRead() const noexcept { return readReady_; }
  bool mayWrite() const noexcept { return writeReady_; }
  void blockedReading() noexcept { readReady_ = false; }
  void blockedWriting() noexcept { writeReady_ = false; }
  /// A read gave less than was asked for, so the next one would say EAGAIN.  That can be relied on
  /// only before the first wait, which reports whatever has come by then.  Later a reset may have
  /// arrived with the octets, in the same edge: only reading on finds it.
  void shortRead() noexcept {
    if (registered_ == 0) readReady_ = false;
  }

  class [[nodiscard]] Wait {
   public:
    Wait(Socket& socket, bool forReading, Deadline deadline) noexcept
        : socket_(socket), deadline_(deadline), forReading_(forReading) {}
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    ~Wait();
    bool await_ready() const noexcept;
    void await_suspend(std::coroutine_handle<> awaiting) noexcept;
    Wake await_resume() const noexcept { return wake_; }

   private:
    friend class Socket;
    Socket& socket_;
    Deadline deadline_;
    std::coroutine_handle<> awaiting_;
    Wake wake_ = Wake::ready;
    bool forReading_;
  };

  Wait readable(Deadline deadline) noexcept { return {*this, true, deadline}; }
  Wait writable(Deadline deadline) noexcept { return {*this, false, deadline}; }

 private:
  static void onEvent(evutil_socket_t, short what, void* self) noexcept;
  void handle(short what) noexcept;
  void arm() noexcept;
  static void wakeUp(Wait*& waiter, Wake wake) noexcept;

  EventLoop& loop_;
  Fd fd_;  // outlives event_: members die in reverse order
  Event event_;
  Wait* reader_ = nullptr;
  Wait* writer_ = nullptr;
  bool* destroyed_ = nullptr;  // set while handle() is on the stack
  bool readReady_ = true;
  bool writeReady_ = true;
  short registered_ = 0;  // EV_READ, and EV_WRITE with it
};

/// Waits for a time.
class [[nodiscard]] Sleep {
 public:
  Sleep(EventLoop& loop, Deadline until) noexcept;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> awaiting) noexcept;
  void await_resume() const noexcept {}

 private:
  static void onEvent(evutil_socket_t, short what, void* self) noexcept;
  std::coroutine_handle<> awaiting_;
  Deadline until_;
  Event event_;
};

/// Rings once its time has come.  Putting it off costs nothing: it wakes up once too early and looks again.
class Alarm {
 public:
  explicit Alarm(EventLoop& loop) noexcept : event_(loop, -1, 0, &Alarm::onEvent, this) {}
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  void set(Deadline due) noexcept;
  bool rang() const noexcept { return rang_; }

 private:
  friend class EitherSocket;
  static void onEvent(evutil_socket_t, short what, void* self) noexcept;

  Event event_;
  Deadline due_ = never;
  Deadline wakesUp_ = never;
  std::coroutine_handle<> awaiting_;
  bool rang_ = false;
};

/// Waits for what comes first of two, of one Socket or of two, or for an Alarm.
class [[nodiscard]] EitherSocket {
 public:
  struct Readiness {
    Socket& socket;
    bool reading;
  };
  EitherSocket(Readiness one, Readiness other, Alarm& alarm) noexcept
      : one_(one.socket, one.reading, never), other_(other.socket, other.reading, never), alarm_(alarm) {}
  EitherSocket(const EitherSocket&) = delete;
  EitherSocket& operator=(const EitherSocket&) = delete;
  ~EitherSocket() { alarm_.awaiting_ = nullptr; }
  bool await_ready() const noexcept { return one_.await_ready() || other_.await_ready() || alarm_.rang_; }
  void await_suspend(std::coroutine_handle<> awaiting) noexcept;
  void await_resume() const noexcept {}

 private:
  Socket::Wait one_, other_;
  Alarm& alarm_;
};

/// One coroutine waits, others notify.  A notification with nobody waiting is kept for the next wait.
class Signal {
 public:
  explicit Signal(EventLoop& loop) noexcept;
  void notify() noexcept;

  class [[nodiscard]] Wait {
   public:
    Wait(Signal& signal, Deadline deadline) noexcept : signal_(signal), deadline_(deadline) {}
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    ~Wait();
    bool await_ready() const noexcept;
    void await_suspend(std::coroutine_handle<> awaiting) noexcept;
    Wake await_resume() const noexcept;

   private:
    friend class Signal;
    Signal& signal_;
    Deadline deadline_;
    std::coroutine_handle<> awaiting_;
    Wake wake_ = Wake::ready;
  };
  Wait wait(Deadline deadline) noexcept { return {*this, deadline}; }

 private:
  static void onEvent(evutil_socket_t, short what, void* self) noexcept;
  void wakeUp(Wake wake) noexcept;

  Event timer_;
  Wait* waiter_ = nullptr;
  bool notified_ = false;
};

}  // namespace crossgate
