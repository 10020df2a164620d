// SPDX-License-Identifier: BSD-2-Clause
// Descriptors sent over a Unix-domain socket (SCM_RIGHTS), a message at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lib/fd.h"
#include "lib/octets.h"
#include "lib/result.h"

namespace crossgate {

/// The most descriptors one message carries.
inline constexpr std::size_t maxPassedFds = 16;

/// Both ends of a SOCK_SEQPACKET socket, non-blocking and close-on-exec.
struct MessagePair {
  Fd ours, theirs;
};
Result<MessagePair> messagePair();

struct PassedMessage {
  std::size_t octets = 0;  ///< octets received; 0 when the other end has closed
  std::array<Fd, maxPassedFds> fds;
  std::size_t fdCount = 0;
  bool fdsLost = false;     ///< more descriptors were sent, but this process can hold no more
  bool wouldBlock = false;  ///< nothing was there; the other fields say nothing
};

/// Sends one message of at least one octet, with at most maxPassedFds descriptors.  Failure::exhausted when
/// the socket's queue is full (EAGAIN): try again later.
Result<void> sendWithFds(int socket, OctetSpan message, std::span<const int> fds);

/// Receives one message without waiting; descriptors arrive close-on-exec.  A message that was cut short is
/// Failure::malformed, and what did arrive is closed.
Result<PassedMessage> receiveWithFds(int socket, std::span<std::uint8_t> message);

}  // namespace crossgate
