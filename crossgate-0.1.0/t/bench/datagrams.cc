// SPDX-License-Identifier: BSD-2-Clause
#include "t/bench/datagrams.h"

#include <algorithm>

namespace crossgate::bench {

Datagrams::Datagrams(unsigned count, std::size_t longest)
    : longest_(longest), octets_(count * longest), addresses_(count), pieces_(count), messages_(count) {
  for (unsigned i = 0; i < count; ++i) {
    messages_[i].msg_hdr.msg_iov = &pieces_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
  }
}

unsigned Datagrams::receive(int fd) noexcept {
  for (unsigned i = 0; i < messages_.size(); ++i) {
    pieces_[i] = {octets_.data() + i * longest_, longest_};
    messages_[i].msg_hdr.msg_name = &addresses_[i];
    messages_[i].msg_hdr.msg_namelen = sizeof addresses_[i];
  }
  const int got =
      recvmmsg(fd, messages_.data(), static_cast<unsigned>(messages_.size()), MSG_DONTWAIT, nullptr);
  filled_ = static_cast<unsigned>(std::max(got, 0));
  return filled_;
}

std::span<std::uint8_t> Datagrams::received(unsigned index) noexcept {
  return {octets_.data() + index * longest_, messages_[index].msg_len};
}

void Datagrams::sendBack(int fd) noexcept {
  for (unsigned i = 0; i < filled_; ++i) pieces_[i].iov_len = messages_[i].msg_len;
  for (unsigned sent = 0; sent < filled_;) {
    const int put = sendmmsg(fd, messages_.data() + sent, filled_ - sent, MSG_DONTWAIT);
    sent += static_cast<unsigned>(std::max(put, 1));  // the one that failed is left out
  }
}

std::span<std::uint8_t> Datagrams::room(unsigned index) noexcept {
  return {octets_.data() + index * longest_, longest_};
}

unsigned Datagrams::send(int fd, unsigned count, std::size_t octets) noexcept {
  for (unsigned i = 0; i < count; ++i) {
    pieces_[i] = {octets_.data() + i * longest_, octets};
    messages_[i].msg_hdr.msg_name = nullptr;
    messages_[i].msg_hdr.msg_namelen = 0;
  }
  const int put = sendmmsg(fd, messages_.data(), count, MSG_DONTWAIT);
  return static_cast<unsigned>(std::max(put, 0));
}

void enlargeReceiveBuffer(int fd) noexcept {
  const int octets = 8 << 20;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &octets, sizeof octets) == 0) return;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets);
}

}  // namespace crossgate::bench
