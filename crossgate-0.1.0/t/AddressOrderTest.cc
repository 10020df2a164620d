// SPDX-License-Identifier: BSD-2-Clause
// gateway/address_order: RFC 6724, section 10.2's kind of examples.
#include "gateway/address_order.h"

#include <cppunit/extensions/HelperMacros.h>

#include <map>

#include "lib/address.h"

namespace crossgate {
namespace {

class AddressOrderTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(AddressOrderTest);
  CPPUNIT_TEST(ipv6ComesFirstWhereBothWork);
  CPPUNIT_TEST(whatHasNoRouteGoesLast);
  CPPUNIT_TEST(a6to4SourceMakesIpv4Better);
  CPPUNIT_TEST(uniqueLocalNeedsASourceOfItsKind);
  CPPUNIT_TEST(theLongerCommonPrefixWins);
  CPPUNIT_TEST(equalsKeepTheirOrder);
  CPPUNIT_TEST_SUITE_END();

  using Sources = std::map<std::string, std::string>;  // destination -> source; missing: no route

  static std::string ordered(const std::vector<std::string>& texts, const Sources& sources) {
    std::vector<IpAddress> addresses;
    for (const std::string& text : texts) addresses.push_back(*IpAddress::parse(text));
    orderByRfc6724(addresses, [&](const IpAddress& destination) -> std::optional<IpAddress> {
      const auto found = sources.find(destination.toString());
      if (found == sources.end()) return std::nullopt;
      return IpAddress::parse(found->second);
    });
    std::string result;
    for (const IpAddress& address : addresses) result += (result.empty() ? "" : " ") + address.toString();
    return result;
  }

 public:
  void ipv6ComesFirstWhereBothWork() {
    CPPUNIT_ASSERT_EQUAL(std::string("2001:db8::1 198.51.100.1"),
                         ordered({"198.51.100.1", "2001:db8::1"},
                                 {{"198.51.100.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8::2"}}));
  }
  void whatHasNoRouteGoesLast() {
    CPPUNIT_ASSERT_EQUAL(std::string("198.51.100.1 2001:db8::1"),
                         ordered({"2001:db8::1", "198.51.100.1"}, {{"198.51.100.1", "192.0.2.2"}}));
  }
  void a6to4SourceMakesIpv4Better() {
    CPPUNIT_ASSERT_EQUAL(std::string("198.51.100.1 2001:db8::1"),
                         ordered({"2001:db8::1", "198.51.100.1"},
                                 {{"2001:db8::1", "2002:c633:6401::2"}, {"198.51.100.1", "192.0.2.2"}}));
  }
  void uniqueLocalNeedsASourceOfItsKind() {
    const Sources global{{"fd00::1", "2001:db8::2"}, {"198.51.100.1", "192.0.2.2"}};
    CPPUNIT_ASSERT_EQUAL(std::string("198.51.100.1 fd00::1"), ordered({"fd00::1", "198.51.100.1"}, global));
    const Sources local{{"fd00::1", "fd00::2"}, {"2001:db8::1", "fd00::2"}};
    CPPUNIT_ASSERT_EQUAL(std::string("fd00::1 2001:db8::1"), ordered({"2001:db8::1", "fd00::1"}, local));
  }
  void theLongerCommonPrefixWins() {
    const Sources sources{{"2001:db8:1::1", "2001:db8:1::2"}, {"2001:db8:3ffe::1", "2001:db8:1::2"}};
    CPPUNIT_ASSERT_EQUAL(std::string("2001:db8:1::1 2001:db8:3ffe::1"),
                         ordered({"2001:db8:3ffe::1", "2001:db8:1::1"}, sources));
  }
  void equalsKeepTheirOrder() {
    const Sources sources{{"198.51.100.2", "192.0.2.2"}, {"198.51.100.1", "192.0.2.2"}};
    CPPUNIT_ASSERT_EQUAL(std::string("198.51.100.2 198.51.100.1"),
                         ordered({"198.51.100.2", "198.51.100.1"}, sources));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(AddressOrderTest);

}  // namespace
}  // namespace crossgate
