// SPDX-License-Identifier: BSD-2-Clause
// gateway/route: how routes and hops are written, which one decides, and that no password is shown.
#include "gateway/route.h"

#include <cppunit/extensions/HelperMacros.h>

namespace crossgate {
namespace {

class RouteTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RouteTest);
  CPPUNIT_TEST(hopsAsTheyAreWritten);
  CPPUNIT_TEST(hopsThatMakeNoSense);
  CPPUNIT_TEST(hopsInARowAndAlternatives);
  CPPUNIT_TEST(routesThatMakeNoSense);
  CPPUNIT_TEST(theFirstThatMatchesDecides);
  CPPUNIT_TEST(everyConditionCounts);
  CPPUNIT_TEST(aLoginIsPassedOnWhereNobodyReadsIt);
  CPPUNIT_TEST(hopsReachedTheSameWayShareTheirState);
  CPPUNIT_TEST(noPasswordIsShown);
  CPPUNIT_TEST_SUITE_END();

  static Hop hop(const std::string& text) {
    const auto hop = Hop::parse(text);
    CPPUNIT_ASSERT_MESSAGE(text + ": " + (hop ? "" : hop.error().detail), hop.has_value());
    return *hop;
  }
  static Route route(const std::string& text) {
    const auto route = Route::parse(text);
    CPPUNIT_ASSERT_MESSAGE(text + ": " + (route ? "" : route.error().detail), route.has_value());
    return *route;
  }
  static std::string mistakeIn(const std::string& text) {
    const auto route = Route::parse(text);
    CPPUNIT_ASSERT_MESSAGE("no mistake seen in: " + text, !route.has_value());
    return route.error().detail;
  }
  static void checkContains(const std::string& text, const std::string& part) {
    CPPUNIT_ASSERT_MESSAGE("'" + part + "' is not in: " + text, text.find(part) != text.npos);
  }

 public:
  void hopsAsTheyAreWritten() {
    const Hop plain = hop("socks5://gw.example:1080");
    CPPUNIT_ASSERT(plain.protocol == HopProtocol::socks5 && !plain.tls && !plain.credentials);
    CPPUNIT_ASSERT_EQUAL(std::string("gw.example:1080"), plain.address.toString());
    const Hop full = hop("socks5+tls://alice:s%40cret%3a@[2001:db8::1]:1081");
    CPPUNIT_ASSERT(full.tls);
    CPPUNIT_ASSERT_EQUAL(std::string("alice"), full.credentials->user);
    CPPUNIT_ASSERT_EQUAL(std::string("s@cret:"), full.credentials->password);
    CPPUNIT_ASSERT_EQUAL(std::string("socks5+tls://[2001:db8::1]:1081"), full.text);
    CPPUNIT_ASSERT(full.address.address() != nullptr);
    const Hop file = hop("socks4a://@/etc/crossgate/hop@site.secret@192.0.2.1:1080");
    CPPUNIT_ASSERT(file.protocol == HopProtocol::socks4a);
    const Hop http = hop("http+tls://alice:a%3ab@[2001:db8::1]:3128");
    CPPUNIT_ASSERT(http.protocol == HopProtocol::http && http.tls && http.credentials->password == "a:b");
    CPPUNIT_ASSERT_EQUAL(std::string("/etc/crossgate/hop@site.secret"), file.secretFile);
    CPPUNIT_ASSERT_EQUAL(std::string(""), hop("socks5://bob@gw:1").credentials->password);
  }
  void hopsThatMakeNoSense() {
    for (const char* text :
         {"gw:1080", "socks6://gw:1080", "socks5:/gw:1080", "socks5://gw", "socks5://gw:0", "socks5://gw:65536",
          "socks5://@gw:1080", "socks5://:secret@gw:1080", "socks5://a%4:b@gw:1", "socks5://a%zz:b@gw:1",
          "socks5://:1080", "socks5://[2001:db8::1:1080", "http://a%3ab:c@gw:1", ""}) {
      CPPUNIT_ASSERT_MESSAGE(text, !Hop::parse(text));
    }
    CPPUNIT_ASSERT(!Hop::parse("socks5://" + std::string(256, 'u') + ":p@gw:1"));
    CPPUNIT_ASSERT(!Hop::parse("socks5://u:" + std::string(256, 'p') + "@gw:1"));
  }
  void hopsInARowAndAlternatives() {
    CPPUNIT_ASSERT(route("direct to *.lan").isDirect());
    const Route two = route("socks5://a:1 socks5+tls://b:2 | socks4://c:3 to *.example balance hash resolve here");
    CPPUNIT_ASSERT_EQUAL(std::size_t{2}, two.paths.size());
    CPPUNIT_ASSERT_EQUAL(std::string("socks5://a:1 socks5+tls://b:2"), two.paths[0].text());
    CPPUNIT_ASSERT_EQUAL(std::string("socks4://c:3"), two.paths[1].text());
    CPPUNIT_ASSERT(two.balance == Balance::hash && two.resolveHere && two.pipeline);
    CPPUNIT_ASSERT(!route("socks5://a:1 pipeline no").pipeline);
  }
  void routesThatMakeNoSense() {
    for (const char* text :
         {"", "to *", "| socks5://a:1", "socks5://a:1 |", "socks5://a:1 | | socks5://b:1", "direct socks5://a:1",
          "socks5://a:1 direct", "socks5://a:1 to", "socks5://a:1 to a to b", "socks5://a:1 via b",
          "socks5://a:1 from example.org", "socks5://a:1 command fly", "socks5://a:1 balance best",
          "socks5://a:1 resolve there", "socks5://a:1 pipeline maybe", "socks5://a:1 to 10.0.0.1/8"}) {
      CPPUNIT_ASSERT_MESSAGE(text, !Route::parse(text));
    }
    checkContains(mistakeIn("direct socks5://a:1"), "'direct'");
  }
  void theFirstThatMatchesDecides() {
    RouteTable table;
    table.add(route("direct to *.near.example"));
    table.add(route("socks5://a:1 to *.example,2001:db8::/32"));
    table.add(route("socks5://b:1 to *:25"));
    const auto find = [&](const char* to) {
      return table.find({}, Command::connect, *Destination::parse(to));
    };
    CPPUNIT_ASSERT(find("www.near.example:80")->isDirect());
    CPPUNIT_ASSERT_EQUAL(std::string("socks5://a:1"), find("www.far.example:25")->paths[0].text());
    CPPUNIT_ASSERT_EQUAL(std::string("socks5://a:1"), find("[2001:db8::7]:80")->paths[0].text());
    CPPUNIT_ASSERT_EQUAL(std::string("socks5://b:1"), find("192.0.2.1:25")->paths[0].text());
    CPPUNIT_ASSERT(find("192.0.2.1:80") == nullptr);
  }
  void everyConditionCounts() {
    const Route only = route("socks5://a:1 from 10.0.0.0/8 command bind,udp user alice,bob");
    Subject subject{{*IpAddress::parse("10.1.2.3"), 5}, "bob"};
    CPPUNIT_ASSERT(only.concerns(subject, Command::bind));
    CPPUNIT_ASSERT(!only.concerns(subject, Command::connect));
    subject.user = "mallory";
    CPPUNIT_ASSERT(!only.concerns(subject, Command::bind));
    subject = {{*IpAddress::parse("192.0.2.1"), 5}, "bob"};
    CPPUNIT_ASSERT(!only.concerns(subject, Command::bind));
    CPPUNIT_ASSERT(only.concernsEveryDestination());
    CPPUNIT_ASSERT(!route("socks5://a:1 to *:53").concernsEveryDestination());
    CPPUNIT_ASSERT(!route("socks5://a:1 to a.example").concernsEveryDestination());
  }
  void aLoginIsPassedOnWhereNobodyReadsIt() {
    CPPUNIT_ASSERT(route("socks5+tls://a:1 login pass").login == PassLogin::yes);
    CPPUNIT_ASSERT(route("socks5://b:1 socks5+tls://a:1 login pass").login == PassLogin::yes);
    checkContains(mistakeIn("socks5://a:1 login pass"), "pass-clear");
    checkContains(mistakeIn("socks5+tls://b:1 | socks5://a:1 login pass"), "socks5://a:1");
    checkContains(mistakeIn("socks5+tls+gssapi://a:1 login pass"), "GSSAPI");
    CPPUNIT_ASSERT(route("socks5://a:1 login pass-clear").login == PassLogin::inTheClear);
    CPPUNIT_ASSERT(!Route::parse("socks5+tls://u:p@a:1 login pass"));
    CPPUNIT_ASSERT(!Route::parse("direct login pass"));
    RouteTable table;
    table.add(route("socks5://a:1"));
    CPPUNIT_ASSERT(!table.passesLogins());
    table.add(route("socks5+tls://a:1 login pass"));
    CPPUNIT_ASSERT(table.passesLogins());
  }
  void hopsReachedTheSameWayShareTheirState() {
    RouteTable table;
    table.add(route("socks5://a:1 socks5://b:1 | socks5://b:1"));
    table.add(route("socks5://b:1 to x.example"));
    const auto& routes = table.routes();
    CPPUNIT_ASSERT_EQUAL(std::size_t{3}, table.hopCount());
    CPPUNIT_ASSERT_EQUAL(routes[0].paths[1].hops[0].entry, routes[1].paths[0].hops[0].entry);
    CPPUNIT_ASSERT(routes[0].paths[0].hops[1].entry != routes[0].paths[1].hops[0].entry);
  }
  void noPasswordIsShown() {
    const std::string line = "socks5://alice:s3cr:et@gw:1 socks5://@/etc/f@gw:2 | socks5://b:s3cret@[::1]:3 user c@D";
    CPPUNIT_ASSERT_EQUAL(
        std::string("socks5://alice:***@gw:1 socks5://@/etc/f@gw:2 | socks5://b:***@[::1]:3 user c@D"),
        maskSecrets(line));
    CPPUNIT_ASSERT_EQUAL(std::string("socks5://gw:1 to *"), maskSecrets("socks5://gw:1 to *"));
    for (const char* text : {"socks9://alice:s3cret@gw:1", "socks5://alice:s3cret@gw", "socks5://a%zz:s3cret@gw:1",
                             "direct to * socks5://alice:s3cret@gw:1", "direct socks5://alice:s3cret@gw:1"}) {
      CPPUNIT_ASSERT_MESSAGE(text, mistakeIn(text).find("s3cret") == std::string::npos);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(RouteTest);

}  // namespace
}  // namespace crossgate
