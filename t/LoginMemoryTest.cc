// SPDX-License-Identifier: BSD-2-Clause
// What the auth helper remembers: successes for a while, failures by source and user, all bounded.
#include "gateway/login_memory.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cstring>

namespace crossgate {
namespace {

using namespace std::chrono_literals;
using Time = RecentTable::Time;

class LoginMemoryTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LoginMemoryTest);
  CPPUNIT_TEST(aSuccessIsRememberedForItsTime);
  CPPUNIT_TEST(useDoesNotProlongAMemory);
  CPPUNIT_TEST(nothingIsRememberedForNoTime);
  CPPUNIT_TEST(digestsKeepTheirPartsApart);
  CPPUNIT_TEST(anIPv6SourceIsItsNetwork);
  CPPUNIT_TEST(delaysGrowToTheirBound);
  CPPUNIT_TEST(aSourceIsRefusedAtItsLimitAndForgiven);
  CPPUNIT_TEST(failuresOfAUserSlowOtherSourcesButRefuseNone);
  CPPUNIT_TEST(aMillionNamesStayBounded);
  CPPUNIT_TEST_SUITE_END();

 public:
  void aSuccessIsRememberedForItsTime() {
    LoginMemory memory(10);
    const Digest login = hash_.ofLogin("alice", "secret");
    CPPUNIT_ASSERT(0s == memory.left(login, now_));
    memory.remember(login, now_ + 60s);
    CPPUNIT_ASSERT(1s == memory.left(login, now_ + 59s));
    CPPUNIT_ASSERT(0s == memory.left(hash_.ofLogin("alice", "Secret"), now_));
    CPPUNIT_ASSERT(0s == memory.left(login, now_ + 60s));
    CPPUNIT_ASSERT_EQUAL(std::size_t{0}, memory.size());
  }

  void useDoesNotProlongAMemory() {
    LoginMemory memory(10);
    const Digest login = hash_.ofLogin("alice", "secret");
    memory.remember(login, now_ + 60s);
    for (int i = 0; i < 6; ++i) CPPUNIT_ASSERT(60s - i * 10s == memory.left(login, now_ + i * 10s));
    CPPUNIT_ASSERT(0s == memory.left(login, now_ + 61s));
  }

  void nothingIsRememberedForNoTime() {
    LoginMemory memory(10);
    memory.remember(hash_.ofLogin("alice", "secret"), now_);
    CPPUNIT_ASSERT(0s == memory.left(hash_.ofLogin("alice", "secret"), now_));
  }

  void digestsKeepTheirPartsApart() {
    CPPUNIT_ASSERT(hash_.ofLogin("ab", "c") != hash_.ofLogin("a", "bc"));
    CPPUNIT_ASSERT(hash_.ofLogin("ab", "") != hash_.ofUser("ab"));
    CPPUNIT_ASSERT(hash_.ofLogin("ab", "c") == hash_.ofLogin("ab", "c"));
    const IpAddress here = *IpAddress::parse("192.0.2.1"), there = *IpAddress::parse("192.0.2.2");
    CPPUNIT_ASSERT(hash_.ofLoginFrom(here, "ab", "c") == hash_.ofLoginFrom(here, "ab", "c"));
    CPPUNIT_ASSERT(hash_.ofLoginFrom(here, "ab", "c") != hash_.ofLoginFrom(there, "ab", "c"));
    CPPUNIT_ASSERT(hash_.ofLoginFrom(here, "ab", "c") != hash_.ofLoginFrom(here, "a", "bc"));
    const KeyedHash other;
    CPPUNIT_ASSERT(hash_.ofUser("ab") != other.ofUser("ab"));
  }

  void anIPv6SourceIsItsNetwork() {
    const auto source = [&](const char* text) { return hash_.ofSource(*IpAddress::parse(text)); };
    CPPUNIT_ASSERT(source("2001:db8::1") == source("2001:db8::ffff:1"));
    CPPUNIT_ASSERT(source("2001:db8::1") != source("2001:db8:0:1::1"));
    CPPUNIT_ASSERT(source("192.0.2.1") != source("192.0.2.2"));
    CPPUNIT_ASSERT(source("192.0.2.1") == source("::ffff:192.0.2.1"));
  }

  void delaysGrowToTheirBound() {
    FailureTable failures(0, 300s);
    for (const auto delay : {500ms, 1000ms, 2000ms, 4000ms, 8000ms, 8000ms}) {
      CPPUNIT_ASSERT(delay == failures.note(source_, user_, now_).delay);
    }
    for (int i = 0; i < 100; ++i) CPPUNIT_ASSERT(8000ms == failures.note(source_, user_, now_).delay);
    CPPUNIT_ASSERT(!failures.refuses(source_, now_));  // limit 0: never
  }

  void aSourceIsRefusedAtItsLimitAndForgiven() {
    FailureTable failures(3, 300s);
    CPPUNIT_ASSERT(!failures.note(source_, user_, now_).refusedFromNow);
    CPPUNIT_ASSERT(!failures.note(source_, user_, now_).refusedFromNow);
    CPPUNIT_ASSERT(!failures.refuses(source_, now_));
    CPPUNIT_ASSERT(failures.note(source_, user_, now_).refusedFromNow);
    CPPUNIT_ASSERT(failures.refuses(source_, now_ + 299s));
    CPPUNIT_ASSERT(!failures.refuses(source_, now_ + 300s));
    CPPUNIT_ASSERT(500ms == failures.note(source_, user_, now_ + 300s).delay);
    CPPUNIT_ASSERT(!failures.refuses(source_, now_ + 300s));
  }

  void failuresOfAUserSlowOtherSourcesButRefuseNone() {
    FailureTable failures(3, 300s);
    for (int i = 0; i < 3; ++i) (void)failures.note(source_, user_, now_);
    const Digest other = hash_.ofSource(*IpAddress::parse("192.0.2.2"));
    CPPUNIT_ASSERT(!failures.refuses(other, now_));
    CPPUNIT_ASSERT(4000ms == failures.note(other, user_, now_).delay);
  }

  void aMillionNamesStayBounded() {
    FailureTable failures(10, 300s);
    constexpr std::size_t capacity = 1024;
    LoginMemory memory(capacity);
    Digest key{};
    for (unsigned i = 0; i < 1'000'000; ++i) {
      std::memcpy(key.data(), &i, sizeof i);
      (void)failures.note(key, key, now_);
      memory.remember(key, now_ + 60s);
    }
    CPPUNIT_ASSERT_EQUAL(2 * FailureTable::capacity, failures.size());
    CPPUNIT_ASSERT_EQUAL(capacity, memory.size());
    CPPUNIT_ASSERT(60s == memory.left(key, now_));  // the last one is there
  }

 private:
  KeyedHash hash_;
  const Time now_ = std::chrono::steady_clock::now();
  const Digest source_ = hash_.ofSource(*IpAddress::parse("192.0.2.1"));
  const Digest user_ = hash_.ofUser("alice");
};

CPPUNIT_TEST_SUITE_REGISTRATION(LoginMemoryTest);

}  // namespace
}  // namespace crossgate
