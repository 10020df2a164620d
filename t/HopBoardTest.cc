// SPDX-License-Identifier: BSD-2-Clause
// gateway/hop_board: which hops are down, for how long, who tries them again, and how many relays they have.
#include "gateway/hop_board.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/wait.h>
#include <unistd.h>

namespace crossgate {
namespace {

using namespace std::chrono_literals;

class HopBoardTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(HopBoardTest);
  CPPUNIT_TEST(aHopIsUpUntilItFails);
  CPPUNIT_TEST(changesAreToldOnce);
  CPPUNIT_TEST(afterAWhileOneTriesAgain);
  CPPUNIT_TEST(anAnswerBringsItBack);
  CPPUNIT_TEST(relaysOfAllWorkersCount);
  CPPUNIT_TEST(aWorkerThatDiedIsWiped);
  CPPUNIT_TEST(workersShareIt);
  CPPUNIT_TEST(withoutHopsThereIsNothing);
  CPPUNIT_TEST_SUITE_END();

  HopBoard board_{3, 2, 30s};
  HopPage first_{board_, 0};
  HopPage second_{board_, 1};
  const HopPage::Time now_ = std::chrono::steady_clock::now();

 public:
  void aHopIsUpUntilItFails() {
    CPPUNIT_ASSERT(first_.mayTry(0, now_));
    CPPUNIT_ASSERT(first_.failed(0, now_));
    CPPUNIT_ASSERT(!second_.mayTry(0, now_ + 29s));
    CPPUNIT_ASSERT(second_.mayTry(1, now_));
  }
  void changesAreToldOnce() {
    CPPUNIT_ASSERT(first_.failed(0, now_));
    CPPUNIT_ASSERT(!second_.failed(0, now_ + 1s));
    CPPUNIT_ASSERT(second_.answered(0));
    CPPUNIT_ASSERT(!first_.answered(0));
  }
  void afterAWhileOneTriesAgain() {
    (void)first_.failed(0, now_);
    CPPUNIT_ASSERT(second_.mayTry(0, now_ + 30s));
    CPPUNIT_ASSERT(!first_.mayTry(0, now_ + 30s));
    CPPUNIT_ASSERT(!second_.mayTry(0, now_ + 59s));
    // Whoever tried did not come back with an answer.
    CPPUNIT_ASSERT(first_.mayTry(0, now_ + 61s));
  }
  void anAnswerBringsItBack() {
    (void)first_.failed(0, now_);
    CPPUNIT_ASSERT(second_.answered(0));
    CPPUNIT_ASSERT(first_.mayTry(0, now_));
  }
  void relaysOfAllWorkersCount() {
    first_.begin(1);
    second_.begin(1);
    second_.begin(1);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, first_.relays(1));
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, first_.relays(0));
    second_.end(1);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, first_.relays(1));
  }
  void aWorkerThatDiedIsWiped() {
    first_.begin(1);
    second_.begin(1);
    board_.wipe(1);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, first_.relays(1));
  }
  void workersShareIt() {
    const pid_t child = fork();
    if (child == 0) {
      first_.begin(0);
      (void)first_.failed(1, now_);
      _exit(0);
    }
    waitpid(child, nullptr, 0);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, second_.relays(0));
    CPPUNIT_ASSERT(!second_.mayTry(1, now_));
  }
  void withoutHopsThereIsNothing() {
    HopBoard none(3, 0, 30s);
    none.wipe(2);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(HopBoardTest);

}  // namespace
}  // namespace crossgate
