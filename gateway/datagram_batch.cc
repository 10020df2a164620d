// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/datagram_batch.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

namespace crossgate {
namespace {

// What passes every path of IPv6 whole, which is what the kernel asks of a segment.
constexpr std::size_t largestSegment = 1280 - 48;

// The kernel, or the interface behind the socket, can't.
bool isWithoutSegments(int error) noexcept { return error == EIO || error == EOPNOTSUPP; }

// What it has against this train may be the receiver, whom a client has chosen: port 0, or a path for which
// the datagrams are too large.
bool refusesTrain(int error) noexcept {
  return isWithoutSegments(error) || error == EINVAL || error == EMSGSIZE;
}

}  // namespace

ReceiveBatch::ReceiveBatch() noexcept {
  for (std::size_t i = 0; i < batchSize; ++i) {
    pieces_[i] = {slots_[i].data.data(), slots_[i].data.size()};
    messages_[i].msg_hdr.msg_iov = &pieces_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
    messages_[i].msg_hdr.msg_name = &senders_[i];
  }
}

std::size_t ReceiveBatch::receive(Socket& socket) noexcept {
  for (mmsghdr& message : messages_) message.msg_hdr.msg_namelen = sizeof(sockaddr_storage);
  const int count = recvmmsg(socket.fd(), messages_.data(), batchSize, MSG_DONTWAIT, nullptr);
  if (count <= 0) {
    socket.blockedReading();
    return 0;
  }
  const auto received = static_cast<std::size_t>(count);
  if (received < batchSize) socket.blockedReading();  // there was no other
  return received;
}

Endpoint ReceiveBatch::sender(std::size_t i) const noexcept {
  const auto* address = reinterpret_cast<const sockaddr*>(&senders_[i]);
  return Endpoint::from(address, messages_[i].msg_hdr.msg_namelen).value_or(Endpoint{});
}

SendBatch::SendBatch() noexcept {
  for (std::size_t i = 0; i < batchSize; ++i) {
    msghdr& header = messages_[i].msg_hdr;
    header.msg_control = segments_[i].octets.data();
    header.msg_controllen = segments_[i].octets.size();
    cmsghdr* control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_UDP;
    control->cmsg_type = UDP_SEGMENT;
    control->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  }
}

void SendBatch::add(OctetSpan datagram, const Endpoint& to, std::size_t headerSize) noexcept {
  headerSizes_[count_] = headerSize;
  pieces_[count_] = {const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
  receiverSizes_[count_] = to.toSockaddr(receivers_[count_]);
  ++count_;
}

bool SendBatch::sameReceiver(std::size_t one, std::size_t other) const noexcept {
  return receiverSizes_[one] == receiverSizes_[other] &&
         std::memcmp(&receivers_[one], &receivers_[other], receiverSizes_[one]) == 0;
}

// How many datagrams from the `first` on can leave together: of one size, only the last may be shorter.
std::size_t SendBatch::train(std::size_t first) const noexcept {
  const std::size_t size = pieces_[first].iov_len;
  if (!segmentation_ || first < alone_ || size == 0 || size > largestSegment) return 1;
  std::size_t length = 1;
  for (std::size_t next = first + 1; next < count_; ++next, ++length) {
    const std::size_t its = pieces_[next].iov_len;
    if (its == 0 || its > size || pieces_[next - 1].iov_len != size || !sameReceiver(first, next)) break;
  }
  return length;
}

// Makes messages of the datagrams from the `first` on; how many.
unsigned SendBatch::couple(std::size_t first) noexcept {
  unsigned made = 0;
  for (std::size_t length = 0; first < count_; first += length) {
    length = train(first);
    msghdr& header = messages_[made].msg_hdr;
    header.msg_name = &receivers_[first];
    header.msg_namelen = receiverSizes_[first];
    header.msg_iov = &pieces_[first];
    header.msg_iovlen = length;
    header.msg_control = length > 1 ? segments_[made].octets.data() : nullptr;
    header.msg_controllen = length > 1 ? segments_[made].octets.size() : 0;
    const auto size = static_cast<std::uint16_t>(pieces_[first].iov_len);
    if (length > 1) std::memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), &size, sizeof size);
    ++made;
  }
  return made;
}

void SendBatch::note(std::size_t first, std::size_t count, Outcome& outcome) const noexcept {
  outcome.sent += count;
  for (std::size_t i = first; i < first + count; ++i) outcome.octets += pieces_[i].iov_len - headerSizes_[i];
}

SendBatch::Outcome SendBatch::flush(int fd) noexcept {
  Outcome outcome;
  alone_ = 0;
  for (std::size_t next = 0; next < count_;) {
    const unsigned made = couple(next);
    const int sent = sendmmsg(fd, messages_.data(), made, MSG_DONTWAIT);
    for (int i = 0; i < sent; ++i) {
      const std::size_t length = messages_[static_cast<std::size_t>(i)].msg_hdr.msg_iovlen;
      note(next, length, outcome);
      next += length;
    }
    if (sent > 0 || errno == EINTR) continue;
    // An error is that of the first message; those behind it may fare better.
    const std::size_t length = messages_[0].msg_hdr.msg_iovlen;
    if (length > 1 && refusesTrain(errno)) {
      if (isWithoutSegments(errno)) segmentation_ = false;
      alone_ = next + length;
      continue;
    }
    (errno == EMSGSIZE ? outcome.oversized : outcome.unsent) += length;
    next += length;
  }
  count_ = 0;
  return outcome;
}

ReceiveBatch& receiveBatch() noexcept {
  static ReceiveBatch batch;
  return batch;
}

SendBatch& sendBatch() noexcept {
  static SendBatch batch;
  return batch;
}

}  // namespace crossgate
