// SPDX-License-Identifier: BSD-2-Clause
// lib/fdpass: messages and descriptors over a socketpair, whole or not at all, and none leaked.
#include "lib/fdpass.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "t/Support.h"

namespace crossgate {
namespace {

using test::octets;
using test::toHex;

struct Pair {
  Fd left, right;
};

Pair socketPair(int type) {
  int ends[2];
  CPPUNIT_ASSERT_EQUAL(0, socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends));
  return {Fd(ends[0]), Fd(ends[1])};
}

// The number of open descriptors below a bound that the test never comes near.
int openFds() {
  int count = 0;
  for (int fd = 0; fd < 512; ++fd) count += fcntl(fd, F_GETFD) != -1 ? 1 : 0;
  return count;
}

Fd fileWith(char content) {
  int ends[2];
  CPPUNIT_ASSERT_EQUAL(0, pipe2(ends, O_CLOEXEC));
  const Fd writeEnd(ends[1]);
  CPPUNIT_ASSERT_EQUAL(ssize_t{1}, write(writeEnd.get(), &content, 1));
  return Fd(ends[0]);
}

class FdpassTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(FdpassTest);
  CPPUNIT_TEST(aMessageWithADescriptor);
  CPPUNIT_TEST(aMessageWithout);
  CPPUNIT_TEST(asManyAsAMessageCarries);
  CPPUNIT_TEST(messagesStayApart);
  CPPUNIT_TEST(nothingThere);
  CPPUNIT_TEST(theOtherEndClosed);
  CPPUNIT_TEST(aFullQueueIsExhausted);
  CPPUNIT_TEST(sendingToAClosedEndFails);
  CPPUNIT_TEST(aMessageCutShortIsMalformedAndLeaksNothing);
  CPPUNIT_TEST(descriptorsCutShortAreToldAndLeakNothing);
  CPPUNIT_TEST(noSocket);
  CPPUNIT_TEST_SUITE_END();

  void aMessageWithADescriptor() {
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
      const Pair pair = socketPair(type);
      const int before = openFds();
      {
        const Fd file = fileWith('x');
        const int fds[] = {file.get()};
        CPPUNIT_ASSERT(sendWithFds(pair.left.get(), octets("01 02 03"), fds));
      }
      std::uint8_t buffer[16];
      auto message = receiveWithFds(pair.right.get(), buffer);
      CPPUNIT_ASSERT(message && !message->wouldBlock && !message->fdsLost);
      CPPUNIT_ASSERT_EQUAL(std::string("01 02 03"), toHex(OctetSpan(buffer, message->octets)));
      CPPUNIT_ASSERT_EQUAL(std::size_t{1}, message->fdCount);
      char content = 0;
      CPPUNIT_ASSERT_EQUAL(ssize_t{1}, read(message->fds[0].get(), &content, 1));
      CPPUNIT_ASSERT_EQUAL('x', content);
      CPPUNIT_ASSERT_EQUAL(FD_CLOEXEC, fcntl(message->fds[0].get(), F_GETFD));
      CPPUNIT_ASSERT_EQUAL(before + 1, openFds());
      message->fds[0].reset();
      CPPUNIT_ASSERT_EQUAL(before, openFds());
    }
  }

  void aMessageWithout() {
    const Pair pair = socketPair(SOCK_SEQPACKET);
    CPPUNIT_ASSERT(sendWithFds(pair.left.get(), octets("2a"), {}));
    std::uint8_t buffer[1];
    const auto message = receiveWithFds(pair.right.get(), buffer);
    CPPUNIT_ASSERT(message && message->octets == 1 && message->fdCount == 0 && !message->fds[0]);
    CPPUNIT_ASSERT_EQUAL(0x2a, static_cast<int>(buffer[0]));
  }

  void asManyAsAMessageCarries() {
    const Pair pair = socketPair(SOCK_SEQPACKET);
    std::vector<Fd> files;
    std::vector<int> numbers;
    for (std::size_t i = 0; i < maxPassedFds; ++i) {
      files.push_back(fileWith(static_cast<char>('a' + i)));
      numbers.push_back(files.back().get());
    }
    CPPUNIT_ASSERT(sendWithFds(pair.left.get(), octets("00"), numbers));
    std::uint8_t buffer[8];
    const auto message = receiveWithFds(pair.right.get(), buffer);
    CPPUNIT_ASSERT(message && message->fdCount == maxPassedFds);
    for (std::size_t i = 0; i < maxPassedFds; ++i) {
      char content = 0;
      CPPUNIT_ASSERT_EQUAL(ssize_t{1}, read(message->fds[i].get(), &content, 1));
      CPPUNIT_ASSERT_EQUAL(static_cast<char>('a' + i), content);
    }
  }

  void messagesStayApart() {
    const Pair pair = socketPair(SOCK_SEQPACKET);
    const Fd file = fileWith('x');
    const int fds[] = {file.get()};
    CPPUNIT_ASSERT(sendWithFds(pair.left.get(), octets("01 01"), fds));
    CPPUNIT_ASSERT(sendWithFds(pair.left.get(), octets("02"), {}));
    std::uint8_t buffer[8];
    const auto first = receiveWithFds(pair.right.get(), buffer);
    CPPUNIT_ASSERT(first && first->octets == 2 && first->fdCount == 1);
    const auto second = receiveWithFds(pair.right.get(), buffer);
    CPPUNIT_ASSERT(second && second->octets == 1 && second->fdCount == 0);
  }

  void nothingThere() {
    const Pair pair = socketPair(SOCK_STREAM);
    std::uint8_t buffer[8];
    const auto message = receiveWithFds(pair.right.get(), buffer);
    CPPUNIT_ASSERT(message && message->wouldBlock);
  }

  void theOtherEndClosed() {
    Pair pair = socketPair(SOCK_SEQPACKET);
    CPPUNIT_ASSERT(sendWithFds(pair.left.get(), octets("01"), {}));
    pair.left.reset();
    std::uint8_t buffer[8];
    const auto last = receiveWithFds(pair.right.get(), buffer);
    CPPUNIT_ASSERT(last && last->octets == 1);
    const auto closed = receiveWithFds(pair.right.get(), buffer);
    CPPUNIT_ASSERT(closed && closed->octets == 0 && !closed->wouldBlock);
  }

  void aFullQueueIsExhausted() {
    const Pair pair = socketPair(SOCK_SEQPACKET);
    const Octets message(1024);
    Result<void> sent;
    int count = 0;
    for (; sent && count < 100000; ++count) sent = sendWithFds(pair.left.get(), message, {});
    CPPUNIT_ASSERT(!sent && count > 1);
    CPPUNIT_ASSERT(sent.error().failure == Failure::exhausted);
    std::uint8_t buffer[1024];
    CPPUNIT_ASSERT(receiveWithFds(pair.right.get(), buffer));
  }

  void sendingToAClosedEndFails() {
    Pair pair = socketPair(SOCK_STREAM);
    pair.right.reset();
    const auto sent = sendWithFds(pair.left.get(), octets("01"), {});
    CPPUNIT_ASSERT(!sent && sent.error().failure == Failure::peerGone);
  }

  void aMessageCutShortIsMalformedAndLeaksNothing() {
    const Pair pair = socketPair(SOCK_SEQPACKET);
    const Fd file = fileWith('x');
    const int before = openFds();
    const int fds[] = {file.get()};
    CPPUNIT_ASSERT(sendWithFds(pair.left.get(), octets("01 02 03"), fds));
    std::uint8_t buffer[2];
    const auto message = receiveWithFds(pair.right.get(), buffer);
    CPPUNIT_ASSERT(!message && message.error().failure == Failure::malformed);
    CPPUNIT_ASSERT_EQUAL(before, openFds());
  }

  void descriptorsCutShortAreToldAndLeakNothing() {
    const Pair pair = socketPair(SOCK_SEQPACKET);
    const Fd file = fileWith('x');
    const int before = openFds();
    // sendWithFds() refuses so many: the other end is somebody else here.
    constexpr std::size_t count = maxPassedFds + 4;
    alignas(cmsghdr) char control[CMSG_SPACE(count * sizeof(int))] = {};
    std::uint8_t octet = 1;
    iovec vector{&octet, 1};
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    auto* rights = reinterpret_cast<cmsghdr*>(control);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(count * sizeof(int));
    const std::vector<int> numbers(count, file.get());
    std::memcpy(CMSG_DATA(rights), numbers.data(), count * sizeof(int));
    CPPUNIT_ASSERT_EQUAL(ssize_t{1}, sendmsg(pair.left.get(), &header, 0));

    std::uint8_t buffer[8];
    {
      const auto message = receiveWithFds(pair.right.get(), buffer);
      CPPUNIT_ASSERT(message && message->fdsLost);
      CPPUNIT_ASSERT_EQUAL(std::size_t{1}, message->octets);
      CPPUNIT_ASSERT_EQUAL(before + static_cast<int>(message->fdCount), openFds());
    }
    CPPUNIT_ASSERT_EQUAL(before, openFds());
  }

  void noSocket() {
    std::uint8_t buffer[8];
    CPPUNIT_ASSERT(!receiveWithFds(-1, buffer));
    CPPUNIT_ASSERT(!sendWithFds(-1, octets("01"), {}));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(FdpassTest);

}  // namespace
}  // namespace crossgate
