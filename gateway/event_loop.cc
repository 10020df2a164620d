// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/event_loop.h"

#include <algorithm>
#include <stdexcept>

namespace crossgate {
namespace {

timeval untilDeadline(Deadline deadline) noexcept {
  using namespace std::chrono;
  const auto left = std::max(duration_cast<microseconds>(deadline - Clock::now()), microseconds(0));
  return {left.count() / 1'000'000, left.count() % 1'000'000};
}

event_base* newBase() {
  event_base* base = nullptr;
  event_config* config = event_config_new();
  if (config != nullptr) {
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_O1);
    base = event_base_new_with_config(config);
    event_config_free(config);
  }
  if (base == nullptr) throw std::runtime_error("libevent has no epoll loop for us");
  return base;
}

}  // namespace

EventLoop::EventLoop() : base_(newBase()), nextTurn_(*this, -1, 0, &EventLoop::onNextTurn, this) {}

void EventLoop::turn() { event_base_loop(base_.get(), EVLOOP_ONCE); }

// Those who come to rest meanwhile have waited for nobody yet.
void EventLoop::onNextTurn(evutil_socket_t, short, void* self) noexcept {
  auto* loop = static_cast<EventLoop*>(self);
  for (auto left = loop->resting_.size(); left > 0 && !loop->resting_.empty(); --left) {
    const auto rested = loop->resting_.front();
    loop->resting_.pop_front();
    rested.resume();
  }
  if (!loop->resting_.empty()) loop->nextTurn_.addUntil(Clock::now());
}

NextTurn::~NextTurn() {
  if (place_) loop_.resting_.erase(*place_);
}

void NextTurn::await_suspend(std::coroutine_handle<> awaiting) {
  if (loop_.resting_.empty()) loop_.nextTurn_.addUntil(Clock::now());
  place_ = loop_.resting_.insert(loop_.resting_.end(), awaiting);
}

Event::Event(EventLoop& loop, int fd, short what, Callback callback, void* context) noexcept {
  event_assign(&event_, loop.base(), fd, what, callback, context);
}

Event::~Event() { event_del(&event_); }

void Event::change(short what) noexcept {
  event_del(&event_);
  event_assign(&event_, event_get_base(&event_), event_get_fd(&event_), what, event_get_callback(&event_),
               event_get_callback_arg(&event_));
}

void Event::add() noexcept { event_add(&event_, nullptr); }

void Event::addUntil(Deadline deadline) noexcept {
  if (deadline == never) return add();
  const timeval left = untilDeadline(deadline);
  event_add(&event_, &left);
}

void Event::remove() noexcept { event_del(&event_); }
void Event::removeTimer() noexcept { event_remove_timer(&event_); }

// ---- Socket -------------------------------------------------------------------------------------

Socket::Socket(EventLoop& loop, Fd fd) noexcept
    : loop_(loop),
      fd_(std::move(fd)),
      event_(loop, fd_.get(), EV_READ | EV_ET | EV_PERSIST, &Socket::onEvent, this) {}

Socket::~Socket() {
  if (destroyed_ != nullptr) *destroyed_ = true;
}

Socket::Wait::~Wait() {
  Wait*& place = forReading_ ? socket_.reader_ : socket_.writer_;
  if (place == this) place = nullptr;
}

bool Socket::Wait::await_ready() const noexcept {
  return forReading_ ? socket_.readReady_ : socket_.writeReady_;
}

void Socket::Wait::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  awaiting_ = awaiting;
  (forReading_ ? socket_.reader_ : socket_.writer_) = this;
  socket_.arm();
}

// One libevent event carries both waits, so its timeout is the nearer of their deadlines.
void Socket::arm() noexcept {
  Deadline nearest = never;
  if (reader_ != nullptr) nearest = std::min(nearest, reader_->deadline_);
  if (writer_ != nullptr) nearest = std::min(nearest, writer_->deadline_);
  const short wanted = writer_ != nullptr ? EV_READ | EV_WRITE : EV_READ;
  const bool registers = (registered_ & wanted) != wanted;
  if (registers) {
    registered_ = wanted;
    event_.change(static_cast<short>(wanted | EV_ET | EV_PERSIST));
  }
  if (nearest != never) {
    event_.addUntil(nearest);
  } else if (registers) {
    event_.add();
  } else {
    event_.removeTimer();
  }
}

void Socket::onEvent(evutil_socket_t, short what, void* self) noexcept {
  static_cast<Socket*>(self)->handle(what);
}

void Socket::wakeUp(Wait*& waiter, Wake wake) noexcept {
  Wait* woken = std::exchange(waiter, nullptr);
  woken->wake_ = wake;
  woken->awaiting_.resume();
}

void Socket::handle(short what) noexcept {
  if ((what & EV_READ) != 0) readReady_ = true;
  if ((what & EV_WRITE) != 0) writeReady_ = true;

  // A coroutine that is resumed may destroy this Socket, or the other waiter.
  bool destroyed = false;
  destroyed_ = &destroyed;
  const auto now = (what & EV_TIMEOUT) != 0 ? Clock::now() : Deadline::min();
  for (Wait* Socket::*place : {&Socket::reader_, &Socket::writer_}) {
    Wait*& waiter = this->*place;
    if (waiter == nullptr) continue;
    if (waiter->forReading_ ? readReady_ : writeReady_) {
      wakeUp(waiter, Wake::ready);
    } else if (waiter->deadline_ <= now) {
      wakeUp(waiter, Wake::timedOut);
    }
    if (destroyed) return;
  }
  destroyed_ = nullptr;
  if (reader_ != nullptr || writer_ != nullptr) arm();
}

// ---- Sleep --------------------------------------------------------------------------------------

Sleep::Sleep(EventLoop& loop, Deadline until) noexcept
    : until_(until), event_(loop, -1, 0, &Sleep::onEvent, this) {}

void Sleep::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  awaiting_ = awaiting;
  event_.addUntil(until_);
}

void Sleep::onEvent(evutil_socket_t, short, void* self) noexcept {
  static_cast<Sleep*>(self)->awaiting_.resume();
}

// ---- Alarm, EitherSocket ------------------------------------------------------------------------

void Alarm::set(Deadline due) noexcept {
  due_ = due;
  if (due_ >= wakesUp_) return;
  wakesUp_ = due_;
  event_.addUntil(due_);
}

void Alarm::onEvent(evutil_socket_t, short, void* self) noexcept {
  auto* alarm = static_cast<Alarm*>(self);
  alarm->wakesUp_ = never;
  if (Clock::now() < alarm->due_) return alarm->set(alarm->due_);
  alarm->rang_ = true;
  if (alarm->awaiting_) std::exchange(alarm->awaiting_, nullptr).resume();
}

void EitherSocket::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  one_.await_suspend(awaiting);
  other_.await_suspend(awaiting);
  alarm_.awaiting_ = awaiting;
}

// ---- Signal -------------------------------------------------------------------------------------

Signal::Signal(EventLoop& loop) noexcept : timer_(loop, -1, 0, &Signal::onEvent, this) {}

void Signal::notify() noexcept {
  notified_ = true;
  if (waiter_ != nullptr) wakeUp(Wake::ready);
}

void Signal::wakeUp(Wake wake) noexcept {
  timer_.remove();
  Wait* woken = std::exchange(waiter_, nullptr);
  woken->wake_ = wake;
  woken->awaiting_.resume();
}

void Signal::onEvent(evutil_socket_t, short, void* self) noexcept {
  auto* signal = static_cast<Signal*>(self);
  if (signal->waiter_ != nullptr) signal->wakeUp(Wake::timedOut);
}

Signal::Wait::~Wait() {
  if (signal_.waiter_ != this) return;
  signal_.waiter_ = nullptr;
  signal_.timer_.remove();
}

bool Signal::Wait::await_ready() const noexcept { return signal_.notified_; }

void Signal::Wait::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  awaiting_ = awaiting;
  signal_.waiter_ = this;
  if (deadline_ != never) signal_.timer_.addUntil(deadline_);
}

Wake Signal::Wait::await_resume() const noexcept {
  if (wake_ == Wake::ready) signal_.notified_ = false;
  return wake_;
}

}  // namespace crossgate
