// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/log_follower.h"

#include "lib/fdpass.h"

namespace crossgate {
namespace {

constexpr std::uint8_t word[]{1};

}  // namespace

LogFollower::LogFollower(EventLoop& loop, Fd news, const Log& log, std::function<void()> followed)
    : news_(std::move(news)),
      log_(log),
      followed_(std::move(followed)),
      event_(loop, news_.get(), EV_READ | EV_PERSIST, &LogFollower::onNews, this) {
  event_.add();
}

void LogFollower::tell(int news, const Log& log) noexcept {
  const int fd = log.fd();
  // A helper whose queue is full of such news does nothing any more; the master will replace it.
  (void)sendWithFds(news, word, {&fd, 1});
}

LogFollower::Heard LogFollower::hear(int news, const Log& log) {
  std::uint8_t room[sizeof word];
  const auto message = receiveWithFds(news, room);
  if (message && message->wouldBlock) return Heard::nothing;
  if (!message || message->octets == 0) return Heard::end;
  if (message->fdCount != 1) return Heard::nothing;
  log.follow(message->fds[0]);
  return Heard::change;
}

void LogFollower::onNews(int, short, void* self) noexcept { static_cast<LogFollower*>(self)->onNews(); }

void LogFollower::onNews() {
  switch (hear(news_.get(), log_)) {
    case Heard::nothing: return;
    case Heard::end: return event_.remove();
    case Heard::change:
      if (followed_) followed_();
  }
}

}  // namespace crossgate
