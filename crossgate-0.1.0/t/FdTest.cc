// SPDX-License-Identifier: BSD-2-Clause
// lib/fd: one owner, closed once, errno kept.
#include "lib/fd.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>

#include <array>

namespace crossgate {
namespace {

bool isOpen(int fd) { return fcntl(fd, F_GETFD) != -1; }

Fd anyFd() { return Fd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

class FdTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(FdTest);
  CPPUNIT_TEST(emptyHoldsNothing);
  CPPUNIT_TEST(itsEndClosesWhatItHolds);
  CPPUNIT_TEST(moveLeavesTheOtherEmpty);
  CPPUNIT_TEST(assignmentClosesTheOldOne);
  CPPUNIT_TEST(assignmentToItselfKeepsIt);
  CPPUNIT_TEST(releaseGivesItUpOpen);
  CPPUNIT_TEST(resetKeepsErrno);
  CPPUNIT_TEST_SUITE_END();

  void emptyHoldsNothing() {
    const Fd fd;
    CPPUNIT_ASSERT(!fd);
    CPPUNIT_ASSERT_EQUAL(-1, fd.get());
  }

  void itsEndClosesWhatItHolds() {
    int number = -1;
    {
      const Fd fd = anyFd();
      number = fd.get();
      CPPUNIT_ASSERT(fd && isOpen(number));
    }
    CPPUNIT_ASSERT(!isOpen(number));
  }

  void moveLeavesTheOtherEmpty() {
    Fd from = anyFd();
    const int number = from.get();
    const Fd to = std::move(from);
    CPPUNIT_ASSERT(!from);
    CPPUNIT_ASSERT_EQUAL(number, to.get());
    CPPUNIT_ASSERT(isOpen(number));
  }

  void assignmentClosesTheOldOne() {
    Fd kept = anyFd();
    Fd other = anyFd();
    const int old = kept.get();
    const int wanted = other.get();
    kept = std::move(other);
    CPPUNIT_ASSERT(!isOpen(old));
    CPPUNIT_ASSERT_EQUAL(wanted, kept.get());
    CPPUNIT_ASSERT(isOpen(wanted) && !other);
  }

  void assignmentToItselfKeepsIt() {
    Fd fd = anyFd();
    Fd& same = fd;
    fd = std::move(same);
    CPPUNIT_ASSERT(isOpen(fd.get()));
  }

  void releaseGivesItUpOpen() {
    Fd fd = anyFd();
    const int number = fd.release();
    CPPUNIT_ASSERT(!fd);
    fd.reset();
    CPPUNIT_ASSERT(isOpen(number));
    fd = Fd(number);
    fd.reset();
    CPPUNIT_ASSERT(!isOpen(number));
  }

  void resetKeepsErrno() {
    Fd closedBehindItsBack = anyFd();
    const Fd second(closedBehindItsBack.get());
    errno = ENOENT;
    closedBehindItsBack.reset();
    CPPUNIT_ASSERT_EQUAL(ENOENT, errno);
    // `second` fails with EBADF when it ends, which must not show either.
    { Fd closing(second.get()); }
    CPPUNIT_ASSERT_EQUAL(ENOENT, errno);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(FdTest);

}  // namespace
}  // namespace crossgate
