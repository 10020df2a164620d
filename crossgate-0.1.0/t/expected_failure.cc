// SPDX-License-Identifier: BSD-2-Clause
// Fails, and is expected to (XFAIL_TESTS): were it to pass, a failing assertion would not reach the
// exit code of t/unit, and no other test could be believed.
#include <cppunit/extensions/HelperMacros.h>

namespace {

class ExpectedFailure : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ExpectedFailure);
  CPPUNIT_TEST(twoIsNotThree);
  CPPUNIT_TEST_SUITE_END();

  void twoIsNotThree() { CPPUNIT_ASSERT_EQUAL(3, 2); }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ExpectedFailure);

}  // namespace
