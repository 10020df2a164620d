// SPDX-License-Identifier: BSD-2-Clause
// The load program's own event loop: epoll, edge-triggered, and coroutines on it.
//
// Every client and every served connection of the load is a coroutine that tries its system call
// first and waits only when the kernel says EAGAIN.  One thread runs them all, so that the load
// costs one core and leaves the others to the server that is measured.
//
// Waits end in three ways: the descriptor has something new (true), the socket's deadline passed or
// the loop is stopping (false).  After stop() every wait gives false at once, so that all coroutines
// run to their end and free what they hold; run() returns when the last one has.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "lib/fd.h"

namespace crossgate::bench {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

inline double secondsBetween(TimePoint from, TimePoint to) {
  return std::chrono::duration<double>(to - from).count();
}
inline double secondsSince(TimePoint from) { return secondsBetween(from, Clock::now()); }
inline TimePoint after(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

/// What both kinds of Task's promises share.  A child that ends before its first wait is never
/// suspended by its parent, so that a loop over ready descriptors needs no stack.
class TaskPromise {
 public:
  std::suspend_always initial_suspend() noexcept { return {}; }
  auto final_suspend() noexcept {
    struct Resume {
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<>) const noexcept {
        if (parent) parent.resume();
      }
      void await_resume() const noexcept {}
      std::coroutine_handle<> parent;
    };
    return Resume{parent_};
  }
  [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  void setParent(std::coroutine_handle<> parent) noexcept { parent_ = parent; }

 private:
  std::coroutine_handle<> parent_;
};

/// A coroutine that another one awaits.  It starts when it is awaited.
///
/// A Task is awaited in an initialiser or an assignment, never in a condition: g++ 12 miscompiles
/// `if (!co_await task())`, where the temporary must live until the condition is known.
template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type : TaskPromise {
    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
    void return_value(T given) { value = std::move(given); }
    std::optional<T> value;
  };

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept {
    handle_.resume();
    return handle_.done();
  }
  void await_suspend(std::coroutine_handle<> parent) const noexcept { handle_.promise().setParent(parent); }
  T await_resume() const { return std::move(*handle_.promise().value); }

 private:
  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

/// A coroutine of its own: starts at once, frees itself at its end, and is counted by its Loop,
/// which is therefore the first argument of every function that returns one.
class Loop;
struct Job {
  struct promise_type {
    template <class... Rest>
    explicit promise_type(Loop& loop, Rest&&...) noexcept : loop_(loop) {
      started();
    }
    ~promise_type() { ended(); }
    Job get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

   private:
    void started() noexcept;
    void ended() noexcept;
    Loop& loop_;
  };
};

class Socket;

class Loop {
 public:
  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs until every Job has ended; calls stop() by itself when `limitSeconds` have passed.
  /// False when that limit was what ended it.
  bool run(double limitSeconds);
  void stop() noexcept { stopping_ = true; }
  bool stopping() const noexcept { return stopping_; }
  /// Makes a loop that was stopped ready to run again.
  void restart() noexcept { stopping_ = false; }

  /// `co_await loop.sleep(1.5)`: false when the loop stops first.
  auto sleep(double seconds);
  /// `co_await loop.yield()`: lets every other ready coroutine run first.
  auto yield();

 private:
  friend class Socket;
  friend struct Job::promise_type;
  struct Slot {
    Socket* socket = nullptr;
    std::uint32_t generation = 0;
  };

  void add(Socket& socket);
  void remove(const Socket& socket);
  void dispatch(int timeoutMs);
  void runQueued();
  void runSleepers();
  void checkDeadlines();
  void wakeAll();
  int nextTimeoutMs() const;

  Fd epoll_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> freeSlots_;
  std::multimap<TimePoint, std::coroutine_handle<>> sleepers_;
  std::vector<std::coroutine_handle<>> queued_;
  TimePoint nextCheck_{};
  std::size_t jobs_ = 0;
  bool stopping_ = false;
};

/// A non-blocking descriptor on a Loop.  At most one coroutine waits for each direction.
class Socket {
 public:
  /// A connecting socket is handed over after connect(2): before it, the kernel reports a hang-up.
  Socket(Loop& loop, Fd fd);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const noexcept { return fd_.get(); }
  Loop& loop() const noexcept { return loop_; }
  auto readable() { return Wait{*this, reader_}; }
  auto writable() { return Wait{*this, writer_}; }
  /// Waits that are pending then, or begin later, give false.  Checked every 50 ms.
  void setDeadline(TimePoint deadline) noexcept { deadline_ = deadline; }
  bool expired() const noexcept { return Clock::now() >= deadline_; }

 private:
  friend class Loop;
  struct Wait {
    bool await_ready() const noexcept { return socket.loop_.stopping(); }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { waiter = handle; }
    bool await_resume() const noexcept {
      return !socket.loop_.stopping() && !std::exchange(socket.late_, false);
    }
    Socket& socket;
    std::coroutine_handle<>& waiter;
  };

  static void wake(std::coroutine_handle<>& waiter) {
    if (waiter) std::exchange(waiter, {}).resume();
  }

  Loop& loop_;
  Fd fd_;
  std::coroutine_handle<> reader_;
  std::coroutine_handle<> writer_;
  TimePoint deadline_ = TimePoint::max();
  std::uint32_t slot_ = 0;
  bool late_ = false;
};

inline void Job::promise_type::started() noexcept { ++loop_.jobs_; }
inline void Job::promise_type::ended() noexcept { --loop_.jobs_; }

inline auto Loop::sleep(double seconds) {
  struct Sleep {
    bool await_ready() const noexcept { return loop.stopping_; }
    void await_suspend(std::coroutine_handle<> handle) const { loop.sleepers_.emplace(until, handle); }
    bool await_resume() const noexcept { return !loop.stopping_; }
    Loop& loop;
    TimePoint until;
  };
  return Sleep{*this, after(seconds)};
}

inline auto Loop::yield() {
  struct Yield {
    bool await_ready() const noexcept { return loop.stopping_; }
    void await_suspend(std::coroutine_handle<> handle) const { loop.queued_.push_back(handle); }
    bool await_resume() const noexcept { return !loop.stopping_; }
    Loop& loop;
  };
  return Yield{*this};
}

}  // namespace crossgate::bench
