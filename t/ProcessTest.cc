// SPDX-License-Identifier: BSD-2-Clause
// gateway/process: what a process arranges for itself.
#include "gateway/process.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace crossgate {
namespace {

class ProcessTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ProcessTest);
  CPPUNIT_TEST(aWorkerDoesNotPreempt);
  CPPUNIT_TEST(aPolicyOfTheAdministratorsStays);
  CPPUNIT_TEST_SUITE_END();

  // The policy of a child that began with `policy`; -1 where it can't.
  static int policyAfterwards(int policy) {
    const pid_t child = fork();
    if (child == 0) {
      const sched_param none{};
      if (sched_setscheduler(0, policy, &none) != 0) _exit(255);
      wakeUpWithoutPreempting();
      _exit(sched_getscheduler(0));
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status) == 255 ? -1 : WEXITSTATUS(status);
  }

  void aWorkerDoesNotPreempt() { CPPUNIT_ASSERT_EQUAL(SCHED_BATCH, policyAfterwards(SCHED_OTHER)); }
  void aPolicyOfTheAdministratorsStays() { CPPUNIT_ASSERT_EQUAL(SCHED_IDLE, policyAfterwards(SCHED_IDLE)); }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ProcessTest);

}  // namespace
}  // namespace crossgate
