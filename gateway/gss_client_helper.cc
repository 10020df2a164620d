// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/gss_client_helper.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <optional>

#include "gateway/gss_context.h"
#include "gateway/gss_protocol.h"
#include "gateway/log_follower.h"
#include "gateway/privilege.h"
#include "gateway/process.h"

namespace crossgate {
namespace {

constexpr unsigned mostAtOnce = 64;
constexpr unsigned longestConversation = 60;  // seconds; then SIGALRM ends the process
constexpr int reapInterval = 1000;

bool waitReadable(int fd, int milliseconds) {
  pollfd ready{fd, POLLIN, 0};
  return poll(&ready, 1, milliseconds) > 0;
}

GssAnswer failed(const Error& error) {
  GssAnswer answer;
  answer.reason = error.detail;
  return answer;
}

GssAnswer step(GssInitiator& initiator, OctetSpan token) {
  auto taken = initiator.step(token);
  if (!taken) return failed(taken.error());
  GssAnswer answer;
  answer.kind = GssAnswer::Kind::more;
  answer.token = std::move(taken->token);
  if (!taken->complete) return answer;
  GssContext context = std::move(initiator).take();
  answer.confidential = context.confidential();
  auto exported = std::move(context).exportContext();
  if (!exported) return failed(exported.error());
  answer.context = *std::move(exported);
  answer.kind = GssAnswer::Kind::complete;
  return answer;
}

// The whole life of one conversation's process.
void converse(const Fd& channel) {
  alarm(longestConversation);
  std::optional<GssInitiator> initiator;
  for (;;) {
    auto record = receiveGssToken(channel.get());
    if (!record) return;
    if (!record->has_value()) {
      waitReadable(channel.get(), -1);
      continue;
    }
    GssAnswer answer;
    if (initiator) {
      answer = step(*initiator, **record);
    } else if (auto made = GssInitiator::create({(*record)->begin(), (*record)->end()}); !made) {
      answer = failed(made.error());
    } else {
      answer = step(initiator.emplace(*std::move(made)), {});
    }
    if (!sendGssAnswer(channel.get(), answer) || answer.kind != GssAnswer::Kind::more) return;
  }
}

class Children {
 public:
  /// Without room, or without a process, the channel is closed, which the worker understands.
  void take(const Fd& channel) {
    reap();
    if (count_ >= mostAtOnce) return;
    const pid_t pid = fork();
    if (pid == 0) {
      converse(channel);
      _exit(0);
    }
    if (pid > 0) ++count_;
  }
  void reap() {
    while (count_ > 0 && waitpid(-1, nullptr, WNOHANG) > 0) --count_;
  }
  bool any() const noexcept { return count_ > 0; }

 private:
  unsigned count_ = 0;
};

}  // namespace

void runGssClientHelper(const std::optional<SystemUser>& user, const Log& log, Fd questions, Fd logNews) {
  ignoreMastersSignals();
  if (const auto dropped = dropPrivileges(user); !dropped) {
    log.line(LogLevel::error)
        .field("event", "the GSSAPI client helper can't work")
        .field("reason", dropped.error().detail);
    _exit(1);
  }
  Children children;
  for (;;) {
    pollfd ready[]{{questions.get(), POLLIN, 0}, {logNews.get(), POLLIN, 0}};
    const bool any = poll(ready, std::size(ready), children.any() ? reapInterval : -1) > 0;
    children.reap();
    if (!any) continue;
    if (ready[1].revents != 0 && LogFollower::hear(logNews.get(), log) == LogFollower::Heard::end) logNews.reset();
    if (ready[0].revents == 0) continue;
    const auto channel = acceptGssConversation(questions.get());
    if (!channel) return;
    if (channel->has_value()) children.take(**channel);
  }
}

}  // namespace crossgate
