// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/authenticate.h"

#include <utility>

#include "gateway/unless_peer_leaves.h"
#include "lib/fdpass.h"

namespace crossgate {
namespace {

constexpr std::chrono::milliseconds queuePause{10};
constexpr std::uint8_t success = 0;
constexpr std::uint8_t failure = 1;

Task<Result<void>> answer(Stream& client, std::uint8_t status, Deadline deadline) {
  Octets octets;
  encode(socks5::CredentialsStatus{status}, octets);
  co_return co_await writeAll(client, octets, deadline);
}

// RFC 1929.
Task<Result<void>> userpass(LoginDesk& desk, Stream& client, Inbox& inbox, const IpAddress& source,
                            Identity& who, Deadline deadline) {
  auto credentials = co_await receive(client, inbox, socks5::decodeCredentials, deadline);
  if (!credentials) {
    // A name of no octets is told so, as a wrong one is; who left or says nothing is not.
    if (credentials.error().failure == Failure::malformed) (void)co_await answer(client, failure, deadline);
    co_return credentials.error();
  }
  who.user = credentials->user;
  LoginRequest login{std::move(credentials->user), std::move(credentials->password), source};
  const auto verdict = co_await unlessPeerLeaves(client, inbox, desk.ask(login, deadline));
  if (who.keepPassword && verdict && *verdict == LoginVerdict::accepted) who.password = login.password;
  wipe(login.password);
  if (!verdict && verdict.error().failure == Failure::peerGone) co_return verdict.error();

  const bool accepted = verdict && *verdict == LoginVerdict::accepted;
  // The delay of a failure may have outlived the negotiation.
  const Deadline toAnswer = std::max(deadline, in(std::chrono::seconds(5)));
  const auto told = co_await answer(client, accepted ? success : failure, toAnswer);
  if (!verdict) co_return verdict.error();
  if (!accepted) co_return Error{Failure::denied, toString(*verdict)};
  co_return told;
}

}  // namespace

// A question that has no answer yet.
struct LoginDesk::Asked {
  explicit Asked(LoginDesk& owner) : desk(owner), number(++owner.lastNumber_), settled(owner.loop_) {
    desk.asked_.emplace(number, this);
  }
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;
  ~Asked() { desk.asked_.erase(number); }

  LoginDesk& desk;
  std::uint32_t number;
  Signal settled;
  std::optional<LoginAnswer> answer;  // none once it is settled: the helper is gone
};

Task<Result<LoginVerdict>> LoginDesk::ask(const LoginRequest& login, Deadline deadline) {
  if (!hash_) hash_.emplace();
  const Digest key = hash_->ofLoginFrom(login.source, login.user, login.password);
  if (accepted_.left(key, Clock::now()).count() > 0) co_return LoginVerdict::accepted;
  for (int attempt = 0; attempt < 2; ++attempt) {
    Asked asked(*this);
    for (;;) {
      const auto sent = put(asked, login);
      if (sent) break;
      if (sent.error().failure != Failure::exhausted) co_return sent.error();
      if (Clock::now() >= deadline) co_return Error{Failure::timedOut, "the auth helper takes no question"};
      co_await Sleep(loop_, in(queuePause));
    }
    if (co_await asked.settled.wait(deadline) == Wake::timedOut) {
      co_return Error{Failure::timedOut, "the auth helper gave no verdict in time"};
    }
    if (!asked.answer) continue;
    if (asked.answer->good.count() > 0) accepted_.remember(key, in(asked.answer->good));
    co_return asked.answer->verdict;
  }
  co_return Error{Failure::general, "the auth helper died with the question, and so did the next"};
}

Result<void> LoginDesk::openChannel() {
  auto pair = messagePair();
  if (!pair) return pair.error();
  if (auto sent = sendChannel(questions_, pair->theirs.get()); !sent) return sent;
  channel_ = std::move(pair->ours);  // the other end is closed here, so that the helper's death is the end of file
  answers_.emplace(loop_, channel_.get(), EV_READ | EV_PERSIST,
                   [](int, short, void* self) noexcept { static_cast<LoginDesk*>(self)->takeAnswers(); }, this);
  answers_->add();
  return {};
}

Result<void> LoginDesk::put(const Asked& asked, const LoginRequest& login) {
  if (!channel_) {
    if (auto opened = openChannel(); !opened) return opened;
  }
  auto sent = sendQuestion(channel_.get(), asked.number, login);
  if (sent || sent.error().failure == Failure::exhausted) return sent;
  loseChannel();  // and the question with it
  return {};
}

void LoginDesk::takeAnswers() {
  do {
    const auto answer = receiveAnswer(channel_.get());
    if (!answer) return loseChannel();
    if (!answer->has_value()) return;
    const auto found = asked_.find((*answer)->number);
    if (found == asked_.end()) continue;  // whose client has left
    found->second->answer = **answer;
    found->second->settled.notify();  // goes on there at once
  } while (channel_ && !asked_.empty());
}

void LoginDesk::loseChannel() {
  answers_.reset();
  channel_.reset();
  // Those that are told may ask anew at once, which is not lost.
  for (auto& [number, asked] : std::exchange(asked_, {})) asked->settled.notify();
}

Task<Result<void>> authenticate(LoginDesk& desk, Stream& client, Inbox& inbox, const IpAddress& source,
                                Identity& who, Deadline deadline) {
  if (who.method == socks5::Method::userpass) {
    co_return co_await userpass(desk, client, inbox, source, who, deadline);
  }
  co_return Result<void>{};
}

}  // namespace crossgate
