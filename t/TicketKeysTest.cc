// SPDX-License-Identifier: BSD-2-Clause
// gateway/ticket_keys: which keys are good, for how long, and that a worker sees those made after its birth.
#include "gateway/ticket_keys.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/wait.h>
#include <unistd.h>

namespace crossgate {
namespace {

using namespace std::chrono_literals;

class TicketKeysTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TicketKeysTest);
  CPPUNIT_TEST(aKeySealsForOnePeriod);
  CPPUNIT_TEST(anOldKeyOpensForTwoMore);
  CPPUNIT_TEST(aNameOfNobodysIsNotFound);
  CPPUNIT_TEST(keysHaveNothingInCommon);
  CPPUNIT_TEST(workersSeeTheKeysOfTheMaster);
  CPPUNIT_TEST_SUITE_END();

  using Name = std::array<std::uint8_t, 16>;

  const TicketKeys::Clock::time_point before_ = TicketKeys::Clock::now();
  TicketKeys keys_;
  TicketKeys::Clock::time_point now_ = TicketKeys::Clock::now();

  void passPeriod() { keys_.rotateIfDue(now_ += TicketKeys::period); }

 public:
  void aKeySealsForOnePeriod() {
    const Name first = keys_.current().name;
    keys_.rotateIfDue(before_ + TicketKeys::period - 1ns);
    CPPUNIT_ASSERT(keys_.current().name == first);
    passPeriod();
    const Name second = keys_.current().name;
    CPPUNIT_ASSERT(second != first);
    keys_.rotateIfDue(now_ + TicketKeys::period - 1ns);
    CPPUNIT_ASSERT(keys_.current().name == second);
    passPeriod();
    CPPUNIT_ASSERT(keys_.current().name != second);
  }

  void anOldKeyOpensForTwoMore() {
    // Longer than there are slots, so that each of them has its turn.
    for (int round = 0; round < 6; ++round) {
      const TicketKey key = keys_.current();
      const auto found = keys_.find(key.name);
      CPPUNIT_ASSERT(found && found->isCurrent);
      for (int age = 1; age <= 2; ++age) {
        passPeriod();
        const auto old = keys_.find(key.name);
        CPPUNIT_ASSERT(old && !old->isCurrent);
        CPPUNIT_ASSERT(old->key->cipher == key.cipher && old->key->mac == key.mac);
      }
      passPeriod();
      CPPUNIT_ASSERT(!keys_.find(key.name));
    }
  }

  void aNameOfNobodysIsNotFound() {
    Name name = keys_.current().name;
    name.back() ^= 1;
    CPPUNIT_ASSERT(!keys_.find(name));
    CPPUNIT_ASSERT(!keys_.find(Name{}));  // what a slot without a key would have
    CPPUNIT_ASSERT(!keys_.find(TicketKeys().current().name));
  }

  void keysHaveNothingInCommon() {
    const TicketKey first = keys_.current();
    passPeriod();
    const TicketKey& second = keys_.current();
    CPPUNIT_ASSERT(first.name != second.name && first.cipher != second.cipher && first.mac != second.mac);
    CPPUNIT_ASSERT(first.cipher != first.mac);
  }

  void workersSeeTheKeysOfTheMaster() {
    const Name first = keys_.current().name;
    int ends[2];
    CPPUNIT_ASSERT(pipe(ends) == 0);
    const pid_t worker = fork();
    if (worker == 0) {
      Name told;
      const bool heard = read(ends[0], told.data(), told.size()) == static_cast<ssize_t>(told.size());
      const auto found = keys_.find(told);
      const auto old = keys_.find(first);
      _exit(heard && found && found->isCurrent && old && !old->isCurrent ? 0 : 1);
    }
    passPeriod();
    const Name second = keys_.current().name;
    CPPUNIT_ASSERT(write(ends[1], second.data(), second.size()) == static_cast<ssize_t>(second.size()));
    int status = -1;
    CPPUNIT_ASSERT_EQUAL(worker, waitpid(worker, &status, 0));
    CPPUNIT_ASSERT_EQUAL(0, status);
    close(ends[0]);
    close(ends[1]);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(TicketKeysTest);

}  // namespace
}  // namespace crossgate
