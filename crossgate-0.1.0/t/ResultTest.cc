// SPDX-License-Identifier: BSD-2-Clause
// lib/result: values, errors, and what an errno or a failure is called.
#include "lib/result.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cerrno>
#include <memory>
#include <set>

namespace crossgate {
namespace {

class ResultTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ResultTest);
  CPPUNIT_TEST(aValueIsGivenBack);
  CPPUNIT_TEST(anErrorIsGivenBack);
  CPPUNIT_TEST(aMoveOnlyValueMovesOut);
  CPPUNIT_TEST(successWithoutAValue);
  CPPUNIT_TEST(anErrnoBecomesAFailure);
  CPPUNIT_TEST(everyFailureHasANameOfItsOwn);
  CPPUNIT_TEST_SUITE_END();

  void aValueIsGivenBack() {
    Result<int> result = 7;
    CPPUNIT_ASSERT(result.has_value());
    CPPUNIT_ASSERT(static_cast<bool>(result));
    CPPUNIT_ASSERT_EQUAL(7, *result);
    CPPUNIT_ASSERT_EQUAL(7, result.value_or(8));
    *result = 9;
    CPPUNIT_ASSERT_EQUAL(9, std::as_const(result).value());
  }

  void anErrorIsGivenBack() {
    const Result<int> result = Error{Failure::denied, "no"};
    CPPUNIT_ASSERT(!result.has_value());
    CPPUNIT_ASSERT(!result);
    CPPUNIT_ASSERT(result.error().failure == Failure::denied);
    CPPUNIT_ASSERT_EQUAL(std::string("no"), result.error().detail);
    CPPUNIT_ASSERT_EQUAL(8, result.value_or(8));
  }

  void aMoveOnlyValueMovesOut() {
    Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
    const std::unique_ptr<int> taken = *std::move(result);
    CPPUNIT_ASSERT_EQUAL(3, *taken);
    CPPUNIT_ASSERT(*result == nullptr);
  }

  void successWithoutAValue() {
    const Result<void> good;
    const Result<void> bad = Error{Failure::refused, "shut"};
    CPPUNIT_ASSERT(good.has_value() && static_cast<bool>(good));
    CPPUNIT_ASSERT(!bad);
    CPPUNIT_ASSERT_EQUAL(std::string("shut"), bad.error().detail);
  }

  void anErrnoBecomesAFailure() {
    CPPUNIT_ASSERT(failureOfErrno(ECONNREFUSED) == Failure::refused);
    CPPUNIT_ASSERT(failureOfErrno(ENETUNREACH) == Failure::networkUnreachable);
    CPPUNIT_ASSERT(failureOfErrno(EHOSTUNREACH) == Failure::hostUnreachable);
    CPPUNIT_ASSERT(failureOfErrno(ETIMEDOUT) == Failure::timedOut);
    CPPUNIT_ASSERT(failureOfErrno(EACCES) == Failure::denied);
    CPPUNIT_ASSERT(failureOfErrno(ECONNRESET) == Failure::peerGone);
    CPPUNIT_ASSERT(failureOfErrno(EMFILE) == Failure::exhausted);
    CPPUNIT_ASSERT(failureOfErrno(EINVAL) == Failure::general);
    const Error error = systemError("connect", ECONNREFUSED);
    CPPUNIT_ASSERT(error.failure == Failure::refused);
    CPPUNIT_ASSERT_EQUAL(std::string("connect: Connection refused"), error.detail);
  }

  void everyFailureHasANameOfItsOwn() {
    std::set<std::string> names;
    const int last = static_cast<int>(Failure::invalid);
    for (int i = 0; i <= last; ++i) names.insert(toString(static_cast<Failure>(i)));
    CPPUNIT_ASSERT_EQUAL(static_cast<std::size_t>(last) + 1, names.size());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ResultTest);

}  // namespace
}  // namespace crossgate
