// SPDX-License-Identifier: BSD-2-Clause
#include "t/bench/loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace crossgate::bench {
namespace {

constexpr auto deadlineCheckInterval = std::chrono::milliseconds(50);
constexpr int longestWaitMs = 50;

// What the load program cannot do without; there is nothing to measure when it fails.
void need(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(3);
}

}  // namespace

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) { need(bool(epoll_), "epoll_create1"); }

bool Loop::run(double limitSeconds) {
  const TimePoint limit = after(limitSeconds);
  bool inTime = true;
  while (jobs_ > 0) {
    if (!stopping_ && Clock::now() >= limit) {
      inTime = false;
      stop();
    }
    if (stopping_) {
      wakeAll();
      continue;
    }
    dispatch(nextTimeoutMs());
    runQueued();
    runSleepers();
    checkDeadlines();
  }
  return inTime;
}

void Loop::dispatch(int timeoutMs) {
  std::array<epoll_event, 256> events;
  const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeoutMs);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const auto index = static_cast<std::uint32_t>(event.data.u64);
    const auto generation = static_cast<std::uint32_t>(event.data.u64 >> 32);
    const bool failed = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
    // Waking the reader may close the socket, and even open another in its place: the generation
    // tells them apart.
    const auto socket = [&] {
      return slots_[index].generation == generation ? slots_[index].socket : nullptr;
    };
    if (Socket* it = socket(); it && (failed || (event.events & (EPOLLIN | EPOLLRDHUP))))
      Socket::wake(it->reader_);
    if (Socket* it = socket(); it && (failed || (event.events & EPOLLOUT))) Socket::wake(it->writer_);
  }
}

void Loop::runQueued() {
  std::vector<std::coroutine_handle<>> ready;
  ready.swap(queued_);
  for (const auto handle : ready) handle.resume();
}

void Loop::runSleepers() {
  const TimePoint now = Clock::now();
  while (!sleepers_.empty() && sleepers_.begin()->first <= now) {
    const auto handle = sleepers_.begin()->second;
    sleepers_.erase(sleepers_.begin());
    handle.resume();
  }
}

void Loop::checkDeadlines() {
  const TimePoint now = Clock::now();
  if (now < nextCheck_) return;
  nextCheck_ = now + deadlineCheckInterval;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    for (const auto waiter : {&Socket::reader_, &Socket::writer_}) {
      Socket* socket = slots_[i].socket;
      if (!socket || socket->deadline_ > now || !(socket->*waiter)) continue;
      socket->late_ = true;
      Socket::wake(socket->*waiter);
    }
  }
}

void Loop::wakeAll() {
  runQueued();
  for (auto sleepers = std::exchange(sleepers_, {}); const auto& [until, handle] : sleepers) handle.resume();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].socket) Socket::wake(slots_[i].socket->reader_);
    if (slots_[i].socket) Socket::wake(slots_[i].socket->writer_);
  }
}

int Loop::nextTimeoutMs() const {
  if (!queued_.empty()) return 0;
  if (sleepers_.empty()) return longestWaitMs;
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(sleepers_.begin()->first - Clock::now()).count();
  return static_cast<int>(std::clamp<long>(wait, 0, longestWaitMs));
}

void Loop::add(Socket& socket) {
  if (freeSlots_.empty()) {
    freeSlots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  socket.slot_ = freeSlots_.back();
  freeSlots_.pop_back();
  slots_[socket.slot_].socket = &socket;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = std::uint64_t{slots_[socket.slot_].generation} << 32 | socket.slot_;
  need(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.fd(), &event) == 0, "epoll_ctl");
}

void Loop::remove(const Socket& socket) {
  slots_[socket.slot_].socket = nullptr;
  ++slots_[socket.slot_].generation;
  freeSlots_.push_back(socket.slot_);
}

Socket::Socket(Loop& loop, Fd fd) : loop_(loop), fd_(std::move(fd)) { loop_.add(*this); }

Socket::~Socket() { loop_.remove(*this); }

}  // namespace crossgate::bench
