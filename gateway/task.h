// SPDX-License-Identifier: BSD-2-Clause
// Task<T>: a coroutine that somebody awaits, or starts and watches.
//
// A Task is lazy: it runs when it is awaited (the awaiting coroutine goes on when it ends) or when
// start() is called.  It owns its frame: destroying a Task that is suspended destroys the frame and
// all that lives in it, the awaitables and inner Tasks first, each of which takes back what it asked
// of the event loop.  That is what cancellation means here; there is no other kind.
//
// Expected failure travels as Task<Result<T>>.  An exception that leaves a coroutine is a mistake of
// ours and ends the process.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <utility>

#include "gateway/frame_pool.h"

namespace crossgate {

template <class T = void>
class Task;

namespace detail {

struct PromiseBase {
  static void* operator new(std::size_t size) { return FramePool::take(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { FramePool::giveBack(frame, size); }

  // Ends with whoever waits: an awaiting coroutine, or the callback given to start().
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      PromiseBase& promise = self.promise();
      if (promise.onDone != nullptr)
        promise.onDone(promise.context);  // may destroy this frame
      else if (promise.continuation)
        return promise.continuation;
      return std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

  std::coroutine_handle<> continuation;
  void (*onDone)(void* context) noexcept = nullptr;
  void* context = nullptr;
};

template <class T>
struct Promise : PromiseBase {
  Task<T> get_return_object() noexcept;
  void return_value(T value) { result.emplace(std::move(value)); }
  std::optional<T> result;
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;

  Task() noexcept = default;
  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      cancel();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() { cancel(); }

  /// Runs until the first wait.  `onDone` is called once at the end and may destroy the Task; it must
  /// not be awaited as well.
  void start(void (*onDone)(void*) noexcept, void* context) {
    handle_.promise().onDone = onDone;
    handle_.promise().context = context;
    handle_.resume();
  }
  /// For a Task that was started: true once it has ended.
  bool done() const noexcept { return handle_ && handle_.done(); }
  /// The result of a Task that was started and is done().
  auto& result() { return *handle_.promise().result; }

  void cancel() noexcept {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }

  auto operator co_await() && noexcept {
    struct Awaiter {
      std::coroutine_handle<promise_type> handle;
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) const noexcept {
        handle.promise().continuation = awaiting;
        return handle;
      }
      T await_resume() const {
        if constexpr (!std::is_void_v<T>) return std::move(*handle.promise().result);
      }
    };
    return Awaiter{handle_};
  }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}
}  // namespace detail

}  // namespace crossgate
