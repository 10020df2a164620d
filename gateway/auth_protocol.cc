// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/auth_protocol.h"

#include <openssl/crypto.h>

#include <array>
#include <cstring>

#include "lib/fdpass.h"

namespace crossgate {
namespace {

constexpr std::uint32_t channelType = 0x4348414e;
constexpr std::uint32_t loginType = 0x4c4f474e;
constexpr std::size_t longest = 255;

// Both ends are the same program, so the layout is the compiler's.
struct LoginRecord {
  std::uint32_t type;
  std::uint32_t number;
  std::uint8_t family;
  std::uint8_t userLength;
  std::uint8_t passwordLength;
  std::array<std::uint8_t, 16> source;
  std::array<char, longest> user;
  std::array<char, longest> password;
};

struct VerdictRecord {
  std::uint32_t number;
  std::uint32_t verdict;
  std::uint32_t goodMilliseconds;
};

template <typename Record>
OctetSpan octetsOf(const Record& record) {
  return {reinterpret_cast<const std::uint8_t*>(&record), sizeof record};
}

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

Error nobody() { return {Failure::peerGone, "the other end has closed"}; }

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

Result<void> sendChannel(int socket, int end) {
  return sendWithFds(socket, octetsOf(channelType), {&end, 1});
}

Result<void> sendQuestion(int channel, std::uint32_t number, const LoginRequest& login) {
  ensure(login.user.size() <= longest && login.password.size() <= longest);
  WipedRecord message;
  LoginRecord& record = message.record;
  record.type = loginType;
  record.number = number;
  record.family = login.source.isV4() ? 4 : 6;
  record.userLength = static_cast<std::uint8_t>(login.user.size());
  record.passwordLength = static_cast<std::uint8_t>(login.password.size());
  const auto source = login.source.octets();
  std::memcpy(record.source.data(), source.data(), source.size());
  std::memcpy(record.user.data(), login.user.data(), login.user.size());
  std::memcpy(record.password.data(), login.password.data(), login.password.size());
  return sendWithFds(channel, message.octets(), {});
}

Result<void> sendAnswer(int channel, LoginAnswer answer) {
  const VerdictRecord record{answer.number, static_cast<std::uint32_t>(answer.verdict),
                             static_cast<std::uint32_t>(answer.good.count())};
  return sendWithFds(channel, octetsOf(record), {});
}

Result<std::optional<Fd>> receiveChannel(int socket) {
  std::array<std::uint8_t, sizeof channelType + 1> octets{};
  auto received = receiveWithFds(socket, octets);
  if (!received) return received.error();
  if (received->wouldBlock) return std::optional<Fd>{};
  if (received->octets == 0) return nobody();
  const bool whole = received->octets == sizeof channelType &&
                     std::memcmp(octets.data(), &channelType, sizeof channelType) == 0 &&
                     (received->fdCount == 1 || received->fdsLost);
  if (!whole) return malformed("a message that is no channel");
  return std::optional(std::move(received->fds[0]));
}

Result<std::optional<LoginQuestion>> receiveQuestion(int channel) {
  WipedRecord message;
  const auto received = receiveWithFds(channel, message.octets());
  if (!received) return received.error();
  if (received->wouldBlock) return std::optional<LoginQuestion>{};
  if (received->octets == 0) return nobody();
  const LoginRecord& record = message.record;
  if (received->octets != sizeof record || received->fdCount != 0 || !makesSense(record)) {
    return malformed("a message that is no login request");
  }
  LoginQuestion question;
  question.number = record.number;
  question.login.user.assign(record.user.data(), record.userLength);
  question.login.password.assign(record.password.data(), record.passwordLength);
  question.login.source = sourceOf(record);
  return std::optional(std::move(question));
}

Result<std::optional<LoginAnswer>> receiveAnswer(int channel) {
  std::array<std::uint8_t, sizeof(VerdictRecord) + 1> octets{};
  const auto received = receiveWithFds(channel, octets);
  if (!received) return received.error();
  if (received->wouldBlock) return std::optional<LoginAnswer>{};
  if (received->octets == 0) return nobody();
  VerdictRecord record{};
  std::memcpy(&record, octets.data(), sizeof record);
  const bool known = record.verdict >= static_cast<std::uint32_t>(LoginVerdict::accepted) &&
                     record.verdict <= static_cast<std::uint32_t>(LoginVerdict::unavailable);
  if (received->octets != sizeof record || received->fdCount != 0 || !known) {
    return malformed("a message that is no verdict");
  }
  return std::optional(LoginAnswer{record.number, static_cast<LoginVerdict>(record.verdict),
                                   std::chrono::milliseconds(record.goodMilliseconds)});
}

void wipe(std::string& secret) noexcept {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace crossgate
