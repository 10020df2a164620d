// SPDX-License-Identifier: BSD-2-Clause
// gateway/source_limits: what is one source, and how many relays it may have.
#include "gateway/source_limits.h"

#include <cppunit/extensions/HelperMacros.h>

namespace crossgate {
namespace {

class SourceLimitsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SourceLimitsTest);
  CPPUNIT_TEST(eachSourceHasItsOwn);
  CPPUNIT_TEST(aNetworkOfIpv6IsOneSource);
  CPPUNIT_TEST(aMappedAddressIsThatOfIpv4);
  CPPUNIT_TEST(whatHasEndedMakesRoom);
  CPPUNIT_TEST(withoutALimitAllEnterAndCount);
  CPPUNIT_TEST_SUITE_END();

  SourceLimits limits_;

  bool enter(const char* address, unsigned limit) { return limits_.enter(*IpAddress::parse(address), limit); }
  void leave(const char* address) { limits_.leave(*IpAddress::parse(address)); }

 public:
  void eachSourceHasItsOwn() {
    CPPUNIT_ASSERT(enter("192.0.2.1", 2));
    CPPUNIT_ASSERT(enter("192.0.2.1", 2));
    CPPUNIT_ASSERT(!enter("192.0.2.1", 2));
    CPPUNIT_ASSERT(enter("192.0.2.2", 2));
  }
  void aNetworkOfIpv6IsOneSource() {
    CPPUNIT_ASSERT(enter("2001:db8:0:1::1", 2));
    CPPUNIT_ASSERT(enter("2001:db8:0:1:ffff:ffff:ffff:ffff", 2));
    CPPUNIT_ASSERT(!enter("2001:db8:0:1::2", 2));
    CPPUNIT_ASSERT(enter("2001:db8:0:2::1", 2));
    CPPUNIT_ASSERT(enter("2001:db8::1", 2));
    leave("2001:db8:0:1::2");  // whichever address it had
    CPPUNIT_ASSERT(enter("2001:db8:0:1::3", 2));
  }
  void aMappedAddressIsThatOfIpv4() {
    CPPUNIT_ASSERT(enter("::ffff:192.0.2.1", 1));
    CPPUNIT_ASSERT(!enter("192.0.2.1", 1));
    CPPUNIT_ASSERT(enter("::ffff:192.0.2.2", 1));
  }
  void whatHasEndedMakesRoom() {
    CPPUNIT_ASSERT(enter("192.0.2.1", 1));
    CPPUNIT_ASSERT(!enter("192.0.2.1", 1));  // is not counted
    leave("192.0.2.1");
    CPPUNIT_ASSERT(enter("192.0.2.1", 1));
    leave("192.0.2.1");
    leave("192.0.2.1");  // of one that has none
    CPPUNIT_ASSERT(enter("192.0.2.1", 1));
    CPPUNIT_ASSERT(!enter("192.0.2.1", 1));
  }
  void withoutALimitAllEnterAndCount() {
    for (int i = 0; i < 3; ++i) CPPUNIT_ASSERT(enter("192.0.2.1", 0));
    CPPUNIT_ASSERT(!enter("192.0.2.1", 3));  // as after a reload that sets one
    CPPUNIT_ASSERT(enter("192.0.2.1", 4));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SourceLimitsTest);

}  // namespace
}  // namespace crossgate
