// SPDX-License-Identifier: BSD-2-Clause
// What the tests of the Gateway's coroutines share: a loop that runs until a Task has ended, pairs of
// connected sockets, and a deadline that ends a test that hangs.
#pragma once

#include <cppunit/TestAssert.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <string_view>
#include <utility>

#include "gateway/stream.h"
#include "lib/address.h"
#include "lib/fd.h"

namespace crossgate::test {

/// Turns the loop until `task` has ended; fails the test after ten seconds.
template <class T>
void runUntilDone(EventLoop& loop, Task<T>& task) {
  Signal ended(loop);
  task.start([](void* signal) noexcept { static_cast<Signal*>(signal)->notify(); }, &ended);
  const Deadline patience = in(std::chrono::seconds(10));
  Event alarm(
      loop, -1, 0, [](int, short, void*) noexcept {}, nullptr);
  alarm.addUntil(patience);
  while (!task.done()) {
    loop.turn();
    CPPUNIT_ASSERT_MESSAGE("the task hangs", Clock::now() < patience);
  }
}

template <class T>
T run(EventLoop& loop, Task<T> task) {
  runUntilDone(loop, task);
  return std::move(task.result());
}

/// Both ends of a TCP connection over loopback, non-blocking.
inline std::pair<Fd, Fd> tcpPair() {
  const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage;
  const socklen_t length = Endpoint{IpAddress::loopback(Family::ipv4), 0}.toSockaddr(storage);
  CPPUNIT_ASSERT(bind(listener.get(), reinterpret_cast<sockaddr*>(&storage), length) == 0);
  CPPUNIT_ASSERT(listen(listener.get(), 1) == 0);
  const socklen_t bound = localEndpoint(listener.get())->toSockaddr(storage);
  Fd active(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CPPUNIT_ASSERT(connect(active.get(), reinterpret_cast<sockaddr*>(&storage), bound) == 0);
  Fd passive(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  CPPUNIT_ASSERT(passive);
  return {std::move(active), std::move(passive)};
}

/// Sends and receives on a blocking descriptor.
inline void sendText(const Fd& fd, std::string_view text) {
  CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(text.size()),
                       send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL));
}
inline std::string receiveUntilEnd(const Fd& fd) {
  std::string text;
  char buffer[65536];
  for (ssize_t count; (count = recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

}  // namespace crossgate::test
