// SPDX-License-Identifier: BSD-2-Clause
// The whole contract between a worker and the auth helper, and between the helper and its checkers.
//
// A worker that first has a question makes a SOCK_SEQPACKET socketpair, its channel, and sends one end of
// it, as the only descriptor, on the socket that all workers share for writing.  On its channel it asks
// about logins, each with a number; the helper answers with the number and a verdict, in any order.  A
// channel that closes means that the helper died with the questions on it; the next one takes a channel
// of its own.
//
// The helper hands the same question to a checker, over a socketpair that it has with each; the checker
// answers it before it is given the next.
//
// A message is one fixed-size record.  Whoever receives anything else has met a peer that is broken or
// hostile, and has no more to do with it: the helper closes the worker's channel, a checker exits.
#pragma once

#include <chrono>
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

struct LoginQuestion {
  std::uint32_t number = 0;
  LoginRequest login;
};
struct LoginAnswer {
  std::uint32_t number = 0;  ///< of the question
  LoginVerdict verdict = LoginVerdict::unavailable;
  std::chrono::milliseconds good{0};  ///< how long a worker may accept it from that source unasked
};

/// Each sends one message.  Failure::exhausted when the queue is full: try again later.
Result<void> sendChannel(int socket, int end);
Result<void> sendQuestion(int channel, std::uint32_t number, const LoginRequest& login);
Result<void> sendAnswer(int channel, LoginAnswer answer);

/// Each takes one message without waiting; empty when none is there; Failure::peerGone when none will come
/// any more; malformed for anything else.  A channel that this process could not hold is a closed Fd.
Result<std::optional<Fd>> receiveChannel(int socket);
Result<std::optional<LoginQuestion>> receiveQuestion(int channel);
Result<std::optional<LoginAnswer>> receiveAnswer(int channel);

/// Overwrites a secret before its memory goes back.
void wipe(std::string& secret) noexcept;

}  // namespace crossgate
