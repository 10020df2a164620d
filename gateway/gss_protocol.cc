// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/gss_protocol.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "lib/fdpass.h"

namespace crossgate {
namespace {

constexpr std::array<std::uint8_t, 1> begin{'G'};
// An answer has a token, a name of 65,535 octets each at most, and a context, which is far smaller.
constexpr std::size_t largestRecord = 192 * 1024;

Result<std::optional<Octets>> receiveRecord(int channel) {
  Octets record(largestRecord);
  for (;;) {
    const ssize_t count = recv(channel, record.data(), record.size(), MSG_TRUNC | MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return std::optional<Octets>{};
    if (count < 0) return systemError("recv", errno);
    if (count == 0) return Error{Failure::peerGone, "the conversation is over"};
    const auto size = static_cast<std::size_t>(count);
    if (size > record.size()) return malformed("a record that is too long");
    record.resize(size);
    return std::optional(std::move(record));
  }
}

Result<void> sendRecord(int channel, OctetSpan record) {
  for (;;) {
    if (send(channel, record.data(), record.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return {};
    if (errno != EINTR) return systemError("send", errno);
  }
}

void put16(Writer& writer, OctetSpan octets) {
  writer.u16(static_cast<std::uint16_t>(octets.size())).octets(octets);
}

OctetSpan asOctets(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

Result<Fd> beginGss(int questions) {
  auto pair = messagePair();
  if (!pair) return pair.error();
  const int passed = pair->theirs.get();
  if (auto sent = sendWithFds(questions, begin, {&passed, 1}); !sent) return sent.error();
  return std::move(pair->ours);
}

Result<std::optional<Fd>> acceptGssConversation(int questions) {
  std::array<std::uint8_t, 2> record;
  auto received = receiveWithFds(questions, record);
  if (!received) return received.error();
  if (received->wouldBlock) return std::optional<Fd>{};
  if (received->octets == 0) return Error{Failure::peerGone, "no worker is left"};
  if (received->octets != begin.size() || record[0] != begin[0] || received->fdCount != 1) {
    return malformed("a question that is none");
  }
  return std::optional(std::move(received->fds[0]));
}

// An empty record would look like the end.
Result<void> sendGssToken(int channel, OctetSpan token) {
  if (token.empty()) return malformed("an empty token");
  return sendRecord(channel, token);
}

Result<std::optional<Octets>> receiveGssToken(int channel) { return receiveRecord(channel); }

Result<void> sendGssAnswer(int channel, const GssAnswer& answer) {
  Octets record;
  Writer writer(record);
  writer.u8(static_cast<std::uint8_t>(answer.kind)).u8(answer.confidential ? 1 : 0);
  put16(writer, answer.token);
  put16(writer, asOctets(answer.user));
  put16(writer, asOctets(answer.reason));
  writer.octets(answer.context);
  return sendRecord(channel, record);
}

Result<std::optional<GssAnswer>> receiveGssAnswer(int channel) {
  const auto record = receiveRecord(channel);
  if (!record) return record.error();
  if (!record->has_value()) return std::optional<GssAnswer>{};
  Reader reader(**record);
  GssAnswer answer;
  answer.kind = GssAnswer::Kind{reader.u8()};
  answer.confidential = reader.u8() == 1;
  const OctetSpan token = reader.take(reader.u16());
  answer.token.assign(token.begin(), token.end());
  answer.user = reader.text(reader.u16());
  answer.reason = reader.text(reader.u16());
  const OctetSpan context = reader.rest();
  answer.context.assign(context.begin(), context.end());
  const bool known = answer.kind >= GssAnswer::Kind::more && answer.kind <= GssAnswer::Kind::failed;
  if (!reader.ok() || !known) return malformed("an answer of the GSSAPI helper that makes no sense");
  return std::optional(std::move(answer));
}

}  // namespace crossgate
