// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/auth_protocol.h"

#include <openssl/crypto.h>

#include <array>
#include <cstring>

#include "lib/fdpass.h"

namespace crossgate {
namespace {

constexpr std::uint32_t loginType = 0x4c4f474e;
constexpr std::size_t longest = 255;

// Both ends are the same program, so the layout is the compiler's.
struct LoginRecord {
  std::uint32_t type;
  std::uint8_t family;
  std::uint8_t userLength;
  std::uint8_t passwordLength;
  std::array<std::uint8_t, 16> source;
  std::array<char, longest> user;
  std::array<char, longest> password;
};

class WipedRecord {
 public:
  ~WipedRecord() { OPENSSL_cleanse(&record, sizeof record); }
  std::span<std::uint8_t> octets() { return {reinterpret_cast<std::uint8_t*>(&record), sizeof record}; }
  LoginRecord record{};
};

IpAddress sourceOf(const LoginRecord& record) {
  const std::span<const std::uint8_t, 16> octets(record.source);
  return record.family == 4 ? IpAddress::v4(octets.first<4>()) : IpAddress::v6(octets);
}

bool makesSense(const LoginRecord& record) {
  return record.type == loginType && (record.family == 4 || record.family == 6);
}

}  // namespace

const char* toString(LoginVerdict verdict) noexcept {
  switch (verdict) {
    case LoginVerdict::accepted: return "accepted";
    case LoginVerdict::rejected: return "wrong user name or password";
    case LoginVerdict::refused: return "too many failed logins from this source";
    case LoginVerdict::unavailable: break;
  }
  return "the login could not be checked";
}

Result<void> sendLogin(int socket, const LoginRequest& login, int replyFd) {
  ensure(login.user.size() <= longest && login.password.size() <= longest);
  WipedRecord message;
  LoginRecord& record = message.record;
  record.type = loginType;
  record.family = login.source.isV4() ? 4 : 6;
  record.userLength = static_cast<std::uint8_t>(login.user.size());
  record.passwordLength = static_cast<std::uint8_t>(login.password.size());
  const auto source = login.source.octets();
  std::memcpy(record.source.data(), source.data(), source.size());
  std::memcpy(record.user.data(), login.user.data(), login.user.size());
  std::memcpy(record.password.data(), login.password.data(), login.password.size());
  const std::span<const int> fds(&replyFd, replyFd < 0 ? 0U : 1U);
  return sendWithFds(socket, message.octets(), fds);
}

Result<std::optional<ReceivedLogin>> receiveLogin(int socket, bool withReply) {
  WipedRecord message;
  auto received = receiveWithFds(socket, message.octets());
  if (!received) return received.error();
  if (received->wouldBlock) return std::optional<ReceivedLogin>{};
  if (received->octets == 0) return Error{Failure::peerGone, "nobody asks any more"};
  const LoginRecord& record = message.record;
  const std::size_t wantedFds = withReply ? 1 : 0;
  if (received->octets != sizeof record || received->fdCount != wantedFds || !makesSense(record)) {
    return malformed("a message that is no login request");
  }
  ReceivedLogin login;
  login.login.user.assign(record.user.data(), record.userLength);
  login.login.password.assign(record.password.data(), record.passwordLength);
  login.login.source = sourceOf(record);
  login.reply = std::move(received->fds[0]);
  return std::optional(std::move(login));
}

Result<void> sendVerdict(int socket, LoginVerdict verdict) {
  const auto octet = static_cast<std::uint8_t>(verdict);
  return sendWithFds(socket, {&octet, 1}, {});
}

Result<std::optional<LoginVerdict>> receiveVerdict(int socket) {
  std::array<std::uint8_t, 2> octets{};
  const auto received = receiveWithFds(socket, octets);
  if (!received) return received.error();
  if (received->wouldBlock) return std::optional<LoginVerdict>{};
  if (received->octets == 0) return Error{Failure::peerGone, "closed without a verdict"};
  const bool known = octets[0] >= static_cast<std::uint8_t>(LoginVerdict::accepted) &&
                     octets[0] <= static_cast<std::uint8_t>(LoginVerdict::unavailable);
  if (received->octets != 1 || !known) return malformed("a message that is no verdict");
  return std::optional(static_cast<LoginVerdict>(octets[0]));
}

void wipe(std::string& secret) noexcept {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace crossgate
