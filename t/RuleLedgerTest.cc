// SPDX-License-Identifier: BSD-2-Clause
// The limits of rules, counted across workers.
#include "gateway/rule_ledger.h"

#include <cppunit/extensions/HelperMacros.h>

#include <memory>
#include <vector>

namespace crossgate {
namespace {

class RuleLedgerTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RuleLedgerTest);
  CPPUNIT_TEST(sessionsOfAllWorkersCount);
  CPPUNIT_TEST(usersAndSourcesCountApart);
  CPPUNIT_TEST(rulesCountApart);
  CPPUNIT_TEST(aSessionCountsOnce);
  CPPUNIT_TEST(aSessionCountsUnderEachOfItsRules);
  CPPUNIT_TEST(whatIsClaimedForNowLastsUntilTheNextClaim);
  CPPUNIT_TEST(aDeadWorkerLeavesNothing);
  CPPUNIT_TEST_SUITE_END();

  static AccessRule rule(const char* text, unsigned number = 0) {
    AccessRule parsed = *AccessRule::parse(text);
    parsed.number = number;
    return parsed;
  }
  static Subject subject(const char* from, const char* user = "") {
    return {{*IpAddress::parse(from), 1}, user};
  }

  RuleLedger ledger_{2, 100, true};
  RulePage first_{ledger_, 0};
  RulePage second_{ledger_, 1};

 public:
  void sessionsOfAllWorkersCount() {
    const AccessRule limited = rule("permit sessions 3");
    auto one = std::make_unique<RuleClaims>(first_);
    RuleClaims two(second_), three(first_), four(second_);
    CPPUNIT_ASSERT(one->claim(limited, subject("192.0.2.1")));
    CPPUNIT_ASSERT(two.claim(limited, subject("192.0.2.2")));
    CPPUNIT_ASSERT(three.claim(limited, subject("192.0.2.3")));
    const auto refused = four.claim(limited, subject("192.0.2.4"));
    CPPUNIT_ASSERT(!refused && refused.error().failure == Failure::denied);
    one.reset();
    CPPUNIT_ASSERT(four.claim(limited, subject("192.0.2.4")));
  }
  void usersAndSourcesCountApart() {
    const AccessRule limited = rule("permit per-user 1 per-source 2");
    RuleClaims a(first_), b(first_), c(second_), d(second_);
    CPPUNIT_ASSERT(a.claim(limited, subject("2001:db8::1", "alice")));
    CPPUNIT_ASSERT(!b.claim(limited, subject("192.0.2.1", "alice")));
    CPPUNIT_ASSERT(b.claim(limited, subject("2001:db8::2", "bob")));
    CPPUNIT_ASSERT(!c.claim(limited, subject("2001:db8::3", "carol")));  // the same /64
    CPPUNIT_ASSERT(d.claim(limited, subject("2001:db8:0:1::3", "carol")));
  }
  void rulesCountApart() {
    RuleClaims a(first_), b(first_);
    CPPUNIT_ASSERT(a.claim(rule("permit sessions 1", 0), subject("192.0.2.1")));
    CPPUNIT_ASSERT(b.claim(rule("permit sessions 1", 1), subject("192.0.2.1")));
  }
  void aSessionCountsOnce() {
    const AccessRule limited = rule("permit sessions 1");
    RuleClaims a(first_), b(first_);
    for (int i = 0; i < 5; ++i) CPPUNIT_ASSERT(a.claim(limited, subject("192.0.2.1")));
    CPPUNIT_ASSERT(!b.claim(limited, subject("192.0.2.1")));
    CPPUNIT_ASSERT(b.claim(rule("permit", 1), subject("192.0.2.1")));
    CPPUNIT_ASSERT(a.isNew(limited));
    CPPUNIT_ASSERT(!a.isNew(limited));
  }
  void aSessionCountsUnderEachOfItsRules() {
    const AccessRule one = rule("permit sessions 1", 0), other = rule("permit sessions 1", 1);
    RuleClaims a(first_), b(second_);
    CPPUNIT_ASSERT(a.claim(one, subject("192.0.2.1")));
    CPPUNIT_ASSERT(!a.several());
    CPPUNIT_ASSERT(a.claim(other, subject("192.0.2.1")));
    CPPUNIT_ASSERT(a.several());
    CPPUNIT_ASSERT(!b.claim(one, subject("192.0.2.2")));
    CPPUNIT_ASSERT(!b.claim(other, subject("192.0.2.2")));
    a.keepOnly(one);
    CPPUNIT_ASSERT(!b.claim(one, subject("192.0.2.2")));
    CPPUNIT_ASSERT(b.claim(other, subject("192.0.2.2")));
  }
  void whatIsClaimedForNowLastsUntilTheNextClaim() {
    const AccessRule one = rule("permit sessions 1", 0), other = rule("permit sessions 1", 1);
    RuleClaims a(first_), b(second_);
    CPPUNIT_ASSERT(b.claim(other, subject("192.0.2.2")));
    CPPUNIT_ASSERT(a.claimForNow(one, subject("192.0.2.1")));
    CPPUNIT_ASSERT(!b.claim(one, subject("192.0.2.2")));
    CPPUNIT_ASSERT(!a.claim(other, subject("192.0.2.1")));  // which changes nothing
    CPPUNIT_ASSERT(!b.claim(one, subject("192.0.2.2")));
    CPPUNIT_ASSERT(a.claim(rule("permit", 2), subject("192.0.2.1")));
    CPPUNIT_ASSERT(b.claim(one, subject("192.0.2.2")));
    RuleClaims c(first_), d(second_);
    const AccessRule third = rule("permit sessions 1", 3);
    CPPUNIT_ASSERT(c.claimForNow(third, subject("192.0.2.1")));
    CPPUNIT_ASSERT(c.claim(third, subject("192.0.2.1")));
    CPPUNIT_ASSERT(c.claim(rule("permit", 2), subject("192.0.2.1")));
    CPPUNIT_ASSERT(!d.claim(third, subject("192.0.2.2")));  // by then it is its own
  }
  void aDeadWorkerLeavesNothing() {
    const AccessRule limited = rule("permit sessions 1");
    RulePage dies(ledger_, 1);
    RuleClaims lost(dies), next(first_);
    CPPUNIT_ASSERT(lost.claim(limited, subject("192.0.2.1")));
    CPPUNIT_ASSERT(!next.claim(limited, subject("192.0.2.1")));
    ledger_.wipe(1);
    CPPUNIT_ASSERT(next.claim(limited, subject("192.0.2.1")));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RuleLedgerTest);

}  // namespace
}  // namespace crossgate
