// SPDX-License-Identifier: BSD-2-Clause
// Putting another socket under a number that the program holds, so that the program does not notice:
// options, flags, owner and the epoll sets it was added to go with it.
#pragma once

#include <sys/epoll.h>

#include <vector>

#include "socksify/gateway_link.h"

namespace crossgate::socksify {

/// Gives `to` every option of `from` that differs from a new socket's.
void copySocketOptions(int from, int to) noexcept;

/// A socket of the same family that stays in SYN_SENT for good: nothing polls ready on it, connect()
/// gives EALREADY, send() and recv() give EAGAIN.  `fd` itself becomes that.  False: it can't.
bool makePending(int fd) noexcept;

/// The same by a new socket in the place of `fd`, where `fd` can't (it is bound to an address that has no
/// way to the loopback).
bool replaceByPending(int fd, int family) noexcept;

/// A new socket of `family` whose connection was refused, as the kernel itself shows that.
HiddenSocket makeRefused(int family) noexcept;

/// What becomes of the socket whose place another takes: nobody needs it, and who sleeps in poll() on it
/// is woken; or its connection goes on under another number.
enum class OldSocket : std::uint8_t { ends, goesOn };

/// `replacement` takes the place of the socket under every number of `fds`.
void swapUnder(const std::vector<int>& fds, HiddenSocket replacement,
               OldSocket old = OldSocket::ends) noexcept;

/// The number of swaps so far: poll() compares it to learn whether to look again.
unsigned swapCount() noexcept;

/// Which epoll sets a socket that is not connected yet was added to.  Only such sockets are noted:
/// for every other descriptor epoll_ctl() costs one load more.
void expectConnect(int fd) noexcept;  ///< socket() made `fd` and it may connect later
bool mayConnect(int fd) noexcept;
void settled(int fd) noexcept;  ///< it is connected, listening or closed
/// epoll_ctl() for such a socket.
int changeEpoll(int epoll, int operation, int fd, epoll_event* event) noexcept;
/// fork() in between must leave the child with a usable lock.
void lockEpollNotes() noexcept;
void unlockEpollNotes() noexcept;

}  // namespace crossgate::socksify
