// SPDX-License-Identifier: BSD-2-Clause
// The stage that learns who the client is, by the method that negotiate() has chosen: nothing for
// `none`, user name and password (RFC 1929) for `userpass`.
//
// It owns the question it has put to the auth helper; a client that leaves meanwhile takes it back.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "gateway/auth_protocol.h"
#include "gateway/identity.h"
#include "gateway/login_memory.h"
#include "gateway/stream.h"

namespace crossgate {

/// The worker's way to the auth helper.
class LoginDesk {
 public:
  /// `questions` is the socket that all workers share; -1 where no method needs the helper.
  LoginDesk(EventLoop& loop, int questions) : loop_(loop), questions_(questions) {}

  /// The helper's verdict on one login; an Error when the helper can't be asked.  What it has just accepted
  /// it is not asked again.  A helper that dies with the question leaves it to the next one, once.
  Task<Result<LoginVerdict>> ask(const LoginRequest& login, Deadline deadline);

 private:
  struct Asked;
  static constexpr std::size_t mostAccepted = 1024;

  Result<void> openChannel();
  Result<void> put(const Asked& asked, const LoginRequest& login);
  void takeAnswers();
  void loseChannel();

  EventLoop& loop_;
  int questions_;
  Fd channel_;
  std::optional<Event> answers_;
  std::unordered_map<std::uint32_t, Asked*> asked_;  // by number
  std::uint32_t lastNumber_ = 0;
  std::optional<KeyedHash> hash_;  // made with the first login
  LoginMemory accepted_{mostAccepted};
};

/// Carries the method's conversation out.  `who.user` is filled in as soon as a name was claimed, so that
/// a failure can be logged with it.  Failure::denied when the client is not who it says (and knows it by
/// now); malformed, peerGone or timedOut as the conversation goes.
Task<Result<void>> authenticate(LoginDesk& desk, Stream& client, Inbox& inbox, const IpAddress& source,
                                Identity& who, Deadline deadline);

}  // namespace crossgate
