// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/gss_helper.h"

#include <unistd.h>

#include <list>

#include "gateway/event_loop.h"
#include "gateway/gss_context.h"
#include "gateway/gss_protocol.h"
#include "gateway/log_follower.h"
#include "gateway/privilege.h"
#include "gateway/process.h"
#include "gateway/task.h"

namespace crossgate {
namespace {

constexpr std::size_t mostConversations = 1024;
constexpr std::chrono::seconds patience{60};  // the client's own deadline is the worker's affair

// The name as rules see it: without the realm where that is our own and the configuration says so.  A
// name of another realm keeps it, or alice@ELSEWHERE would be alice.
std::string userOf(const std::string& principal, const GssConfig& config, const std::string& realm) {
  const std::string ending = "@" + realm;
  const bool shorten = config.shortNames && !realm.empty() && principal.ends_with(ending);
  return shorten ? principal.substr(0, principal.size() - ending.size()) : principal;
}

class GssHelper {
 public:
  GssHelper(const GssConfig& config, const GssKeys& keys, const Log& log, Fd questions, Fd logNews)
      : config_(config),
        keys_(keys),
        realm_(ownRealm()),
        questions_(std::move(questions)),
        follower_(loop_, std::move(logNews), log),
        asked_(loop_, questions_.get(), EV_READ | EV_PERSIST, &GssHelper::onQuestions, this) {
    asked_.add();
  }

  void run() {
    while (!(noMore_ && conversations_.empty())) {
      loop_.turn();
      ended_.clear();
    }
  }

 private:
  struct Conversation {
    Conversation(GssHelper& owner, Fd channel)
        : helper(owner), socket(owner.loop_, std::move(channel)), acceptor(owner.keys_) {}
    GssHelper& helper;
    std::list<Conversation>::iterator place;
    Socket socket;
    GssAcceptor acceptor;
    Task<void> task;
  };

  static void onQuestions(int, short, void* self) noexcept { static_cast<GssHelper*>(self)->takeQuestion(); }

  void takeQuestion() {
    auto channel = acceptGssConversation(questions_.get());
    if (!channel) {
      // Workers that are gone, or one that is broken: what runs is finished, and the master starts afresh.
      noMore_ = true;
      asked_.remove();
      return;
    }
    // Without room the channel is closed, which the worker understands.
    if (!channel->has_value() || conversations_.size() >= mostConversations) return;
    const auto place = conversations_.emplace(conversations_.end(), *this, std::move(**channel));
    place->place = place;
    place->task = converse(*place);
    place->task.start(&GssHelper::onEnd, &*place);
  }

  // Called from inside the conversation that has ended: it is destroyed later.
  static void onEnd(void* conversation) noexcept {
    auto* ended = static_cast<Conversation*>(conversation);
    ended->helper.ended_.splice(ended->helper.ended_.end(), ended->helper.conversations_, ended->place);
  }

  Task<void> converse(Conversation& with) const {
    const Deadline deadline = in(patience);
    for (;;) {
      const auto token = receiveGssToken(with.socket.fd());
      if (!token) co_return;
      if (!token->has_value()) {
        with.socket.blockedReading();
        if (co_await with.socket.readable(deadline) == Wake::timedOut) co_return;
        continue;
      }
      const GssAnswer said = answer(with.acceptor, **token);
      if (!sendGssAnswer(with.socket.fd(), said) || said.kind != GssAnswer::Kind::more) co_return;
    }
  }

  GssAnswer answer(GssAcceptor& acceptor, OctetSpan token) const {
    GssAnswer said;
    auto step = acceptor.step(token);
    if (!step) {
      said.reason = step.error().detail;
      return said;
    }
    said.token = std::move(step->token);
    said.kind = GssAnswer::Kind::more;
    if (!step->complete) return said;
    said.user = userOf(acceptor.principal(), config_, realm_);
    GssContext context = std::move(acceptor).take();
    said.confidential = context.confidential();
    auto exported = std::move(context).exportContext();
    if (!exported) {
      said.kind = GssAnswer::Kind::failed;
      said.reason = exported.error().detail;
      return said;
    }
    said.context = *std::move(exported);
    said.kind = GssAnswer::Kind::complete;
    return said;
  }

  const GssConfig& config_;
  const GssKeys& keys_;
  const std::string realm_;
  EventLoop loop_;
  Fd questions_;
  LogFollower follower_;
  Event asked_;
  std::list<Conversation> conversations_;
  std::list<Conversation> ended_;
  bool noMore_ = false;
};

}  // namespace

void runGssHelper(const GssConfig& config, const std::optional<SystemUser>& user, const Log& log, Fd questions,
                  Fd logNews) {
  ignoreMastersSignals();
  const auto fail = [&](const Error& error) {
    log.line(LogLevel::error).field("event", "the GSSAPI helper can't work").field("reason", error.detail);
    _exit(1);
  };
  hideMemory();
  const auto keys = GssKeys::load(config.keytab);
  if (!keys) fail(keys.error());
  if (const auto dropped = dropPrivileges(user); !dropped) fail(dropped.error());
  GssHelper(config, *keys, log, std::move(questions), std::move(logNews)).run();
}

}  // namespace crossgate
