// SPDX-License-Identifier: BSD-2-Clause
// Datagrams by the batch: one system call receives what waits, one sends what is ready.
//
// A batch is too large to have for every association (2 MB, of which only what is used becomes memory), so a
// worker has one of each kind for all of them: what was received must be dealt with, and what was added
// must be sent, before the next wait.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <span>

#include "gateway/event_loop.h"
#include "gateway/task.h"
#include "lib/address.h"
#include "lib/octets.h"

namespace crossgate {

inline constexpr std::size_t batchSize = 32;
/// The header of RFC 1928, section 7, for an address: what fits in front of what was received.
inline constexpr std::size_t maxAddressHeader = 4 + 16 + 2;
inline constexpr std::size_t maxDatagram = 65535;

class ReceiveBatch {
 public:
  ReceiveBatch() noexcept;
  /// Receives what is there, without waiting; how many.  0: await socket.readable().
  std::size_t receive(Socket& socket) noexcept;

  std::span<std::uint8_t> datagram(std::size_t i) noexcept {
    return {slots_[i].data.data(), messages_[i].msg_len};
  }
  Endpoint sender(std::size_t i) const noexcept;
  /// The datagram with maxAddressHeader octets of room in front of it.
  std::uint8_t* headroom(std::size_t i) noexcept { return slots_[i].headroom.data(); }

 private:
  struct Slot {
    std::array<std::uint8_t, maxAddressHeader> headroom;
    std::array<std::uint8_t, maxDatagram> data;
  };
  std::array<mmsghdr, batchSize> messages_{};
  std::array<iovec, batchSize> pieces_{};
  std::array<sockaddr_storage, batchSize> senders_;
  std::array<Slot, batchSize> slots_;
};

/// Datagrams of one size that go to one place leave as one message, which the kernel cuts up again on its way
/// out (UDP_SEGMENT), where it knows how.
class SendBatch {
 public:
  struct Outcome {
    std::uint64_t sent = 0;
    std::uint64_t oversized = 0;
    std::uint64_t unsent = 0;  ///< refused by the kernel for any other reason
    std::uint64_t octets = 0;  ///< payload of what was sent
  };

  SendBatch() noexcept;
  bool full() const noexcept { return count_ == batchSize; }
  bool empty() const noexcept { return count_ == 0; }
  /// `datagram` must stay until flush(); of its octets `headerSize` are no payload.
  void add(OctetSpan datagram, const Endpoint& to, std::size_t headerSize = 0) noexcept;
  /// Sends all, and is empty.  What the kernel does not take at once is lost, as it would be in any
  /// router that has no room.
  Outcome flush(int fd) noexcept;

 private:
  struct alignas(cmsghdr) Segments {  // the control message with the size of each
    std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint16_t))> octets;
  };
  std::size_t train(std::size_t first) const noexcept;
  bool sameReceiver(std::size_t one, std::size_t other) const noexcept;
  unsigned couple(std::size_t first) noexcept;
  void note(std::size_t first, std::size_t count, Outcome& outcome) const noexcept;

  std::array<iovec, batchSize> pieces_{};  // one for each datagram
  std::array<sockaddr_storage, batchSize> receivers_;
  std::array<socklen_t, batchSize> receiverSizes_;
  std::array<std::size_t, batchSize> headerSizes_;
  std::size_t count_ = 0;
  std::array<mmsghdr, batchSize> messages_{};  // one for each train of datagrams
  std::array<Segments, batchSize> segments_;
  std::size_t alone_ = 0;     // flush(): the datagrams before this one leave each by itself
  bool segmentation_ = true;  // until the kernel, or the interface behind a socket, says that it can't
};

/// The worker's own.  What is sent by its sendBatch() is flushed in the same call.
ReceiveBatch& receiveBatch() noexcept;
SendBatch& sendBatch() noexcept;

/// For ever: waits for datagrams, and tells `take` how many receiveBatch() holds.
template <class Take>
Task<void> receiveBatches(Socket& socket, Take take) {
  // After so many batches without a wait the other relays of the worker have their turn.
  constexpr unsigned batchesInARow = 8;
  for (unsigned inARow = 0;; ++inARow) {
    if (!socket.mayRead()) {
      co_await socket.readable(never);
      inARow = 0;
    } else if (inARow >= batchesInARow) {
      co_await NextTurn(socket.loop());
      inARow = 0;
    }
    if (const std::size_t count = receiveBatch().receive(socket); count > 0) take(count);
  }
}

}  // namespace crossgate
