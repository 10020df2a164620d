// SPDX-License-Identifier: BSD-2-Clause
// The whole contract between a worker and the auth helper, and between the helper and its checkers.
//
// A worker asks about one login: it makes a SOCK_SEQPACKET socketpair and sends a LoginRequest, with
// one end of the pair as the only descriptor, on the socket that all workers share for writing.  The
// helper writes one verdict to that end and closes it.  An end that closes without a verdict means
// that the helper died with the question.
//
// The helper hands the same request, without a descriptor, to a checker, over a socketpair that it
// has with each; the checker answers on it with one verdict.
//
// A message is one fixed-size record.  Whoever receives anything else has met a peer that is broken
// or hostile: it says so in the log and exits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/address.h"
#include "lib/fd.h"
#include "lib/result.h"

namespace crossgate {

/// User name and password as they came from a client (RFC 1929: 255 octets each at most), and whence.
struct LoginRequest {
  std::string user;
  std::string password;
  IpAddress source;
};

enum class LoginVerdict : std::uint8_t {
  accepted = 1,
  rejected = 2,     ///< wrong user name or password: which of them, nobody is told
  refused = 3,      ///< not looked at: this source has failed too often
  unavailable = 4,  ///< no answer could be found: out of room, or a back end that does not work
};
const char* toString(LoginVerdict verdict) noexcept;

struct ReceivedLogin {
  LoginRequest login;
  Fd reply;  ///< where the worker waits for the verdict; none from the helper to a checker
};

/// Sends one request.  Failure::exhausted when the queue is full: try again later.
Result<void> sendLogin(int socket, const LoginRequest& login, int replyFd = -1);
/// One request without waiting; empty when none is there; Failure::peerGone when none will come any
/// more; malformed for anything that is no request.
Result<std::optional<ReceivedLogin>> receiveLogin(int socket, bool withReply);

Result<void> sendVerdict(int socket, LoginVerdict verdict);
/// As receiveLogin().
Result<std::optional<LoginVerdict>> receiveVerdict(int socket);

/// Overwrites a secret before its memory goes back.
void wipe(std::string& secret) noexcept;

}  // namespace crossgate
