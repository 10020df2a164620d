// SPDX-License-Identifier: BSD-2-Clause
// The table of what a program shall see of its sockets.
#include "socksify/socket_table.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace crossgate;
using namespace crossgate::socksify;

namespace {

ShownSocket shownTo(const char* peer) {
  ShownSocket shown;
  shown.peer = *Endpoint::parse(peer);
  shown.family = shown.peer.address.family();
  return shown;
}

class SocketTableTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SocketTableTest);
  CPPUNIT_TEST(whatIsRememberedIsTold);
  CPPUNIT_TEST(forgottenAndUnknownSocketsAreNotThere);
  CPPUNIT_TEST(aFullSetLosesTheOldestOnly);
  CPPUNIT_TEST(cookiesFollowDupAndAreNeverGivenTwice);
  CPPUNIT_TEST_SUITE_END();

 public:
  void setUp() override { memory_ = TreeMemory::open(nullptr); }
  void tearDown() override { ::munmap(memory_, sizeof(TreeMemory)); }

  void whatIsRememberedIsTold() {
    SocketTable table(memory_->sockets);
    ShownSocket shown = shownTo("[2001:db8::1]:65535");
    shown.local = *Endpoint::parse("192.0.2.7:1025");
    shown.error = ECONNREFUSED;
    shown.untold = true;
    table.remember(7, shown);
    CPPUNIT_ASSERT(table.lookup(7).value() == shown);
    table.remember(7, shownTo("0.0.0.1:80"));
    CPPUNIT_ASSERT(table.lookup(7).value() == shownTo("0.0.0.1:80"));
  }

  void forgottenAndUnknownSocketsAreNotThere() {
    SocketTable table(memory_->sockets);
    table.remember(7, shownTo("0.0.0.1:80"));
    table.forget(7);
    CPPUNIT_ASSERT(!table.lookup(7));
    CPPUNIT_ASSERT(!table.lookup(0));
    CPPUNIT_ASSERT(!table.lookup(8));
  }

  void aFullSetLosesTheOldestOnly() {
    SocketTable table(memory_->sockets);
    constexpr std::uint64_t apart = socketSets;  // cookies of one set
    for (std::uint64_t i = 1; i <= socketsPerSet + 1; ++i) table.remember(i * apart, shownTo("0.0.0.1:80"));
    CPPUNIT_ASSERT(table.lookup((socketsPerSet + 1) * apart).has_value());
    unsigned left = 0;
    for (std::uint64_t i = 1; i <= socketsPerSet; ++i) left += table.lookup(i * apart) ? 1U : 0U;
    CPPUNIT_ASSERT_EQUAL(socketsPerSet - 1, left);
  }

  void cookiesFollowDupAndAreNeverGivenTwice() {
    const int first = ::socket(AF_INET, SOCK_STREAM, 0);
    const int copy = ::dup(first);
    const std::uint64_t cookie = socketCookie(first);
    CPPUNIT_ASSERT(cookie != 0);
    CPPUNIT_ASSERT_EQUAL(cookie, socketCookie(copy));
    ::close(first);
    ::close(copy);
    const int second = ::socket(AF_INET, SOCK_STREAM, 0);
    CPPUNIT_ASSERT(socketCookie(second) != cookie);
    ::close(second);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, socketCookie(STDIN_FILENO + 1000));
  }

 private:
  TreeMemory* memory_ = nullptr;
};
CPPUNIT_TEST_SUITE_REGISTRATION(SocketTableTest);

}  // namespace
