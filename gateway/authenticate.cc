// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/authenticate.h"

#include <sys/socket.h>

#include <cerrno>

#include "gateway/unless_peer_leaves.h"

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

Task<Result<LoginVerdict>> LoginDesk::ask(const LoginRequest& login, Deadline deadline) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    co_return systemError("socketpair", errno);
  }
  Socket answer(loop_, Fd(ends[0]));
  Fd theirs(ends[1]);
  for (;;) {
    const auto sent = sendLogin(questions_, login, theirs.get());
    if (sent) break;
    if (sent.error().failure != Failure::exhausted) co_return sent.error();
    if (Clock::now() >= deadline) co_return Error{Failure::timedOut, "the auth helper takes no question"};
    co_await Sleep(loop_, in(queuePause));
  }
  theirs.reset();           // so that the helper's end, or death, is the end of file
  answer.blockedReading();  // nobody has had time to answer
  for (;;) {
    if (co_await answer.readable(deadline) == Wake::timedOut) {
      co_return Error{Failure::timedOut, "the auth helper gave no verdict in time"};
    }
    const auto verdict = receiveVerdict(answer.fd());
    if (!verdict) co_return Error{Failure::general, "the auth helper: " + verdict.error().detail};
    if (verdict->has_value()) co_return **verdict;
    answer.blockedReading();
  }
}

Task<Result<void>> authenticate(LoginDesk& desk, Stream& client, Inbox& inbox, const IpAddress& source,
                                Identity& who, Deadline deadline) {
  if (who.method == socks5::Method::userpass) {
    co_return co_await userpass(desk, client, inbox, source, who, deadline);
  }
  co_return Result<void>{};
}

}  // namespace crossgate
