// SPDX-License-Identifier: BSD-2-Clause
// Datagrams: a batch of datagrams for recvmmsg(2) and sendmmsg(2), so that the load program spends
// less on each than the server that is measured.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <span>
#include <vector>

namespace crossgate::bench {

class Datagrams {
 public:
  Datagrams(unsigned count, std::size_t longest);
  Datagrams(const Datagrams&) = delete;
  Datagrams& operator=(const Datagrams&) = delete;

  /// How many were received into the batch: 0 when there are none.
  unsigned receive(int fd) noexcept;
  /// What receive() got at `index`.
  std::span<std::uint8_t> received(unsigned index) noexcept;
  /// Sends what was received to where it came from; what does not fit is lost, as UDP is.
  void sendBack(int fd) noexcept;

  /// The room of datagram `index`, to be filled before send().
  std::span<std::uint8_t> room(unsigned index) noexcept;
  /// Sends the first `count` datagrams of `octets` each on a connected socket; how many went.
  unsigned send(int fd, unsigned count, std::size_t octets) noexcept;

 private:
  std::size_t longest_;
  unsigned filled_ = 0;
  std::vector<std::uint8_t> octets_;
  std::vector<sockaddr_storage> addresses_;
  std::vector<iovec> pieces_;
  std::vector<mmsghdr> messages_;
};

/// As much receive buffer as this process may have, so that the load itself drops nothing.
void enlargeReceiveBuffer(int fd) noexcept;

}  // namespace crossgate::bench
