// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/datagram_batch.h"

#include <cerrno>

namespace crossgate {

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
  if (received < batchSize) socket.shortRead();
  return received;
}

Endpoint ReceiveBatch::sender(std::size_t i) const noexcept {
  const auto* address = reinterpret_cast<const sockaddr*>(&senders_[i]);
  return Endpoint::from(address, messages_[i].msg_hdr.msg_namelen).value_or(Endpoint{});
}

SendBatch::SendBatch() noexcept {
  for (std::size_t i = 0; i < batchSize; ++i) {
    messages_[i].msg_hdr.msg_iov = &pieces_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
    messages_[i].msg_hdr.msg_name = &receivers_[i];
  }
}

void SendBatch::add(OctetSpan datagram, const Endpoint& to, std::size_t headerSize) noexcept {
  headerSizes_[count_] = headerSize;
  pieces_[count_] = {const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
  messages_[count_].msg_hdr.msg_namelen = to.toSockaddr(receivers_[count_]);
  ++count_;
}

SendBatch::Outcome SendBatch::flush(int fd) noexcept {
  Outcome outcome;
  for (std::size_t next = 0; next < count_;) {
    const int sent = sendmmsg(fd, &messages_[next], static_cast<unsigned>(count_ - next), MSG_DONTWAIT);
    if (sent > 0) {
      for (const std::size_t end = next + static_cast<std::size_t>(sent); next < end; ++next) {
        ++outcome.sent;
        outcome.octets += messages_[next].msg_len - headerSizes_[next];
      }
    } else if (errno != EINTR) {
      // An error is that of the first one not sent; those behind it may fare better.
      ++(errno == EMSGSIZE ? outcome.oversized : outcome.unsent);
      ++next;
    }
  }
  count_ = 0;
  return outcome;
}

ReceiveBatch& receiveBatch() noexcept {
  static ReceiveBatch batch;
  return batch;
}

}  // namespace crossgate
