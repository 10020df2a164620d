// SPDX-License-Identifier: BSD-2-Clause
// Pending connections: what connect() on a non-blocking socket leaves behind.
//
// The program's socket is made a placeholder that stays in SYN_SENT (swap.h), so that poll, select and
// epoll are silent by themselves and connect() gives EALREADY.  The helper (background.h) holds the
// conversation with the Gateway on a socket of its own.  When it ends, that socket takes the
// placeholder's place: a connected one, or one whose connection was refused, which the kernel reports
// in its own way.  What the program polls then fires once.  A program that sleeps in poll() or
// select() is woken and looks again (waits.cc).
//
// Closing the descriptor ends the conversation.  A conversation does not survive fork() in the child.
#pragma once

#include <memory>

#include "lib/address.h"
#include "socksify/gateway_link.h"
#include "socksify/socket_table.h"

namespace crossgate::socksify {

/// Hands a conversation over to the helper; `fd` is a placeholder already.  False with errno EAGAIN
/// when no thread can be had.
bool addPending(int fd, std::unique_ptr<GatewayLink> link, const ShownSocket& shown,
                const Destination& destination, Clock::time_point deadline) noexcept;

/// The errno of a failed conversation, told with `verbose`.
int failureOf(const GatewayLink& link, const Error& error, const Destination& destination) noexcept;

}  // namespace crossgate::socksify
