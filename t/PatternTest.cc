// SPDX-License-Identifier: BSD-2-Clause
// lib/pattern: what each form of item matches and with which strength, what is refused and why.
#include "lib/pattern.h"

#include <cppunit/extensions/HelperMacros.h>

namespace crossgate {
namespace {

Pattern pattern(const std::string& text) {
  auto parsed = Pattern::parse(text);
  CPPUNIT_ASSERT_MESSAGE(parsed ? text : parsed.error().detail, parsed.has_value());
  return *std::move(parsed);
}

// no, any, name or address: how `host` and `port` meet the pattern.
std::string met(const std::string& text, const char* host, std::uint16_t port = 80) {
  constexpr const char* names[] = {"no", "any", "name", "address"};
  return names[static_cast<std::size_t>(pattern(text).match(Destination::of(host, port)))];
}

void refused(const std::string& text, const std::string& why) {
  const auto parsed = Pattern::parse(text);
  CPPUNIT_ASSERT_MESSAGE("taken: " + text, !parsed);
  CPPUNIT_ASSERT(parsed.error().failure == Failure::invalid);
  CPPUNIT_ASSERT_MESSAGE(parsed.error().detail, parsed.error().detail.find(why) != std::string::npos);
}

bool within(const char* window, int weekday, int hour, int minute) {
  const auto parsed = TimeWindow::parse(window);
  CPPUNIT_ASSERT_MESSAGE(window, parsed.has_value());
  std::tm local{};
  local.tm_wday = weekday;
  local.tm_hour = hour;
  local.tm_min = minute;
  local.tm_sec = 59;
  return parsed->contains(local);
}

const std::string no = "no", any = "any", name = "name", address = "address";
constexpr int sun = 0, mon = 1, wed = 3, fri = 5, sat = 6;

class PatternTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PatternTest);
  CPPUNIT_TEST(starMatchesAll);
  CPPUNIT_TEST(addresses);
  CPPUNIT_TEST(networks);
  CPPUNIT_TEST(mappedAddressesAreComparedUnmapped);
  CPPUNIT_TEST(names);
  CPPUNIT_TEST(below);
  CPPUNIT_TEST(nameAndBelow);
  CPPUNIT_TEST(namesAreCanonical);
  CPPUNIT_TEST(ports);
  CPPUNIT_TEST(barePortsAddToTheItem);
  CPPUNIT_TEST(theStrongestItemCounts);
  CPPUNIT_TEST(aMissingHalfDoesNotMatch);
  CPPUNIT_TEST(bothHalves);
  CPPUNIT_TEST(tellsWhatItHolds);
  CPPUNIT_TEST(tellsWhetherThePortIsNamed);
  CPPUNIT_TEST(refusesAddresses);
  CPPUNIT_TEST(refusesNames);
  CPPUNIT_TEST(refusesPorts);
  CPPUNIT_TEST(windowOfDaysAndHours);
  CPPUNIT_TEST(windowOfDays);
  CPPUNIT_TEST(windowOverMidnight);
  CPPUNIT_TEST(windowToTheEndOfTheDay);
  CPPUNIT_TEST(windowRefused);
  CPPUNIT_TEST_SUITE_END();

  void starMatchesAll() {
    CPPUNIT_ASSERT_EQUAL(any, met("*", "example.org"));
    CPPUNIT_ASSERT_EQUAL(any, met("*", "192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(any, met("*", "2001:db8::1", 0));
    CPPUNIT_ASSERT(Pattern().match(Destination::of("example.org", 1)) == Match::any);
    CPPUNIT_ASSERT_EQUAL(std::string("*"), Pattern().text());
  }

  void addresses() {
    CPPUNIT_ASSERT_EQUAL(address, met("192.0.2.1", "192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(no, met("192.0.2.1", "192.0.2.2"));
    CPPUNIT_ASSERT_EQUAL(address, met("2001:db8::1", "2001:db8::1"));
    CPPUNIT_ASSERT_EQUAL(address, met("[2001:db8::1]", "2001:db8::1"));
    CPPUNIT_ASSERT_EQUAL(no, met("2001:db8::1", "2001:db8::2"));
    CPPUNIT_ASSERT_EQUAL(no, met("192.0.2.1", "example.org"));
    CPPUNIT_ASSERT_EQUAL(address, met("fe80::1", "fe80::1%lo"));
  }

  void networks() {
    CPPUNIT_ASSERT_EQUAL(address, met("10.0.0.0/8", "10.255.255.255"));
    CPPUNIT_ASSERT_EQUAL(no, met("10.0.0.0/8", "11.0.0.0"));
    CPPUNIT_ASSERT_EQUAL(address, met("10.0.0.128/25", "10.0.0.200"));
    CPPUNIT_ASSERT_EQUAL(no, met("10.0.0.128/25", "10.0.0.127"));
    CPPUNIT_ASSERT_EQUAL(address, met("2001:db8::/32", "2001:db8:ffff::1"));
    CPPUNIT_ASSERT_EQUAL(no, met("2001:db8::/32", "2001:db9::1"));
    CPPUNIT_ASSERT_EQUAL(address, met("[2001:db8::/33]", "2001:db8:7fff::1"));
    CPPUNIT_ASSERT_EQUAL(no, met("[2001:db8::/33]", "2001:db8:8000::1"));
    CPPUNIT_ASSERT_EQUAL(address, met("0.0.0.0/0", "192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(no, met("0.0.0.0/0", "2001:db8::1"));
    CPPUNIT_ASSERT_EQUAL(address, met("::/0", "2001:db8::1"));
    CPPUNIT_ASSERT_EQUAL(no, met("::/0", "192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(address, met("192.0.2.1/32", "192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(address, met("::1/128", "::1"));
  }

  void mappedAddressesAreComparedUnmapped() {
    CPPUNIT_ASSERT_EQUAL(address, met("10.0.0.0/8", "::ffff:10.1.2.3"));
    CPPUNIT_ASSERT_EQUAL(no, met("::/0", "::ffff:10.1.2.3"));
    CPPUNIT_ASSERT_EQUAL(address, met("::ffff:10.0.0.0/104", "10.1.2.3"));
    CPPUNIT_ASSERT_EQUAL(no, met("::ffff:10.0.0.0/104", "11.1.2.3"));
    CPPUNIT_ASSERT_EQUAL(address, met("::ffff:0:0/96", "192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(address, met("::ffff:192.0.2.1", "192.0.2.1"));
  }

  void names() {
    CPPUNIT_ASSERT_EQUAL(name, met("example.org", "example.org"));
    CPPUNIT_ASSERT_EQUAL(no, met("example.org", "www.example.org"));
    CPPUNIT_ASSERT_EQUAL(no, met("example.org", "example.or"));
    CPPUNIT_ASSERT_EQUAL(no, met("example.org", "192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(name, met("localhost", "localhost"));
    CPPUNIT_ASSERT_EQUAL(name, met("_sip._tcp.example.org", "_sip._tcp.example.org"));
    CPPUNIT_ASSERT_EQUAL(name, met("1und1.example", "1und1.example"));
    CPPUNIT_ASSERT_EQUAL(name, met("10.example.3com", "10.example.3com"));
  }

  void below() {
    CPPUNIT_ASSERT_EQUAL(name, met("*.example.org", "www.example.org"));
    CPPUNIT_ASSERT_EQUAL(name, met("*.example.org", "a.b.example.org"));
    CPPUNIT_ASSERT_EQUAL(no, met("*.example.org", "example.org"));
    CPPUNIT_ASSERT_EQUAL(no, met("*.example.org", "badexample.org"));
    CPPUNIT_ASSERT_EQUAL(no, met("*.example.org", ".example.org"));
    CPPUNIT_ASSERT_EQUAL(name, met("*.lan", "printer.lan"));
  }

  void nameAndBelow() {
    CPPUNIT_ASSERT_EQUAL(name, met(".example.org", "example.org"));
    CPPUNIT_ASSERT_EQUAL(name, met(".example.org", "www.example.org"));
    CPPUNIT_ASSERT_EQUAL(no, met(".example.org", "badexample.org"));
    CPPUNIT_ASSERT_EQUAL(no, met(".example.org", "org"));
  }

  void namesAreCanonical() {
    CPPUNIT_ASSERT_EQUAL(name, met("Example.ORG", "eXample.org."));
    CPPUNIT_ASSERT_EQUAL(name, met("example.org.", "EXAMPLE.org"));
    CPPUNIT_ASSERT_EQUAL(name, met("*.Example.org.", "WWW.example.ORG."));
    CPPUNIT_ASSERT_EQUAL(name, met(".Example.org", "example.org."));
  }

  void ports() {
    CPPUNIT_ASSERT_EQUAL(name, met("example.org:80", "example.org", 80));
    CPPUNIT_ASSERT_EQUAL(no, met("example.org:80", "example.org", 81));
    CPPUNIT_ASSERT_EQUAL(address, met("10.0.0.0/8:1000-2000", "10.0.0.1", 1000));
    CPPUNIT_ASSERT_EQUAL(address, met("10.0.0.0/8:1000-2000", "10.0.0.1", 2000));
    CPPUNIT_ASSERT_EQUAL(no, met("10.0.0.0/8:1000-2000", "10.0.0.1", 999));
    CPPUNIT_ASSERT_EQUAL(no, met("10.0.0.0/8:1000-2000", "10.0.0.1", 2001));
    CPPUNIT_ASSERT_EQUAL(address, met("[2001:db8::/32]:443", "2001:db8::1", 443));
    CPPUNIT_ASSERT_EQUAL(no, met("[2001:db8::/32]:443", "2001:db8::1", 80));
    CPPUNIT_ASSERT_EQUAL(any, met("*:0-65535", "example.org", 65535));
    CPPUNIT_ASSERT_EQUAL(no, met("*:25", "example.org", 26));
    CPPUNIT_ASSERT_EQUAL(no, met("*.example.org:443", "www.example.org", 80));
    CPPUNIT_ASSERT(pattern("10.0.0.0/8:22").matches(*Endpoint::parse("10.0.0.1:22")));
    CPPUNIT_ASSERT(!pattern("10.0.0.0/8:22").matches(*Endpoint::parse("10.0.0.1:23")));
  }

  void barePortsAddToTheItem() {
    const std::string web = "*.example.org:80,443,8000-8010,192.0.2.1:22,localhost";
    CPPUNIT_ASSERT_EQUAL(name, met(web, "a.example.org", 80));
    CPPUNIT_ASSERT_EQUAL(name, met(web, "a.example.org", 443));
    CPPUNIT_ASSERT_EQUAL(name, met(web, "a.example.org", 8010));
    CPPUNIT_ASSERT_EQUAL(no, met(web, "a.example.org", 22));
    CPPUNIT_ASSERT_EQUAL(address, met(web, "192.0.2.1", 22));
    CPPUNIT_ASSERT_EQUAL(no, met(web, "192.0.2.1", 443));
    CPPUNIT_ASSERT_EQUAL(name, met(web, "localhost", 1));
  }

  void theStrongestItemCounts() {
    CPPUNIT_ASSERT_EQUAL(address, met("*,10.0.0.0/8", "10.0.0.1"));
    CPPUNIT_ASSERT_EQUAL(address, met("10.0.0.0/8,*", "10.0.0.1"));
    CPPUNIT_ASSERT_EQUAL(any, met("10.0.0.0/8,*", "192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(name, met("*,.example.org", "example.org"));
    CPPUNIT_ASSERT_EQUAL(any, met("*,.example.org:443", "example.org", 80));
  }

  void aMissingHalfDoesNotMatch() {
    const std::string host = "example.org";
    const IpAddress ip = *IpAddress::parse("192.0.2.1");
    CPPUNIT_ASSERT(pattern("192.0.2.1").match(&host, nullptr, 80) == Match::no);
    CPPUNIT_ASSERT(pattern("example.org").match(nullptr, &ip, 80) == Match::no);
    CPPUNIT_ASSERT(pattern(".example.org").match(nullptr, &ip, 80) == Match::no);
    CPPUNIT_ASSERT(pattern("*.example.org").match(nullptr, &ip, 80) == Match::no);
    CPPUNIT_ASSERT(pattern("*").match(nullptr, nullptr, 80) == Match::any);
    CPPUNIT_ASSERT(pattern("example.org,192.0.2.1").match(nullptr, nullptr, 80) == Match::no);
  }

  void bothHalves() {
    const std::string host = "example.org";
    const IpAddress ip = *IpAddress::parse("192.0.2.1");
    CPPUNIT_ASSERT(pattern("192.0.2.1,example.org").match(&host, &ip, 80) == Match::address);
    CPPUNIT_ASSERT(pattern("example.org,10.0.0.0/8").match(&host, &ip, 80) == Match::name);
  }

  void tellsWhatItHolds() {
    const Pattern all = pattern("*");
    CPPUNIT_ASSERT(!all.hasNames() && !all.hasAddresses() && !all.hasPorts());
    const Pattern mixed = pattern("10.0.0.0/8,example.org:80");
    CPPUNIT_ASSERT(mixed.hasNames() && mixed.hasAddresses() && mixed.hasPorts());
    CPPUNIT_ASSERT(pattern("*.lan").hasNames() && !pattern("*.lan").hasAddresses());
    CPPUNIT_ASSERT_EQUAL(std::string("10.0.0.0/8,example.org:80"), mixed.text());
  }

  void tellsWhetherThePortIsNamed() {
    const Endpoint resolver = *Endpoint::parse("127.0.0.53:53");
    for (const char* text : {"*", "127.0.0.0/8", "127.0.0.0/8,10.0.0.1:53", "127.0.0.53:54", "*.lan:53"})
      CPPUNIT_ASSERT(!pattern(text).matchesByPort(resolver));
    for (const char* text : {"*:53", "127.0.0.0/8:53", "10.0.0.0/8,127.0.0.53:50-60"})
      CPPUNIT_ASSERT(pattern(text).matchesByPort(resolver));
    CPPUNIT_ASSERT(pattern("127.0.0.53:53").matchesByPort({resolver.address.mapped(), 53}));
  }

  void refusesAddresses() {
    refused("10.0.0.1/8", "write 10.0.0.0/8");
    refused("10.0.0.255/31", "write 10.0.0.254/31");
    refused("2001:db8::1/32", "write 2001:db8::/32");
    refused("1.2.3.4/0", "write 0.0.0.0/0");
    refused("10.0.0.0/33", "0 to 32");
    refused("10.0.0.0/", "0 to 32");
    refused("10.0.0.0/-1", "0 to 32");
    refused("10.0.0.0/8/8", "0 to 32");
    refused("::/129", "0 to 128");
    refused("[::]/64", "inside");
    refused("[::1", "no closing bracket");
    refused("[::1]80", "without a colon");
    refused("[10.0.0.1]", "no IPv6 address");
    refused("[]", "no IPv6 address");
    refused("2001:db8::1::", "no IPv6 address");
    refused("2001:db8::x", "no IPv6 address");
    refused("fe80::1%lo", "zone");
    refused("10.0.0/8", "no IPv4 or IPv6 address");
    refused("example.org/24", "no IPv4 or IPv6 address");
    refused("10.0.0", "neither an address nor a name");
    refused("10.0.0.256", "neither an address nor a name");
  }

  void refusesNames() {
    refused("", "empty item");
    refused("a,,b", "empty item");
    refused("a,", "empty item");
    refused(",a", "empty item");
    refused(".", "1 to 255");
    refused("*.", "1 to 255");
    refused(std::string(256, 'a'), "1 to 255");
    refused("a..b", "empty part");
    refused("..a", "empty part");
    refused("*..a", "empty part");
    refused("**", "'*'");
    refused("*foo", "'*'");
    refused("www.*.org", "'*'");
    refused("a b", "a character");
    refused("a@b", "a character");
    refused(std::string("a\0b", 3), "1 to 255");
  }

  void refusesPorts() {
    refused("80", "without a host");
    refused("80-90", "without a host");
    refused("example.org,80", "without a host");
    refused("a:", "port");
    refused("a:http", "port");
    refused("a:65536", "port");
    refused("a:90-80", "ends before");
    refused("a:80-", "port");
    refused("a:-80", "port");
    refused("a:1-2-3", "port");
    refused("[::1]:", "port");
    refused("a:80,90-80", "ends before");
    refused("a:80,70000", "port");
  }

  void windowOfDaysAndHours() {
    constexpr const char* office = "Mon-Fri/08:00-18:00";
    CPPUNIT_ASSERT(within(office, mon, 8, 0));
    CPPUNIT_ASSERT(within(office, fri, 17, 59));
    CPPUNIT_ASSERT(!within(office, wed, 7, 59));
    CPPUNIT_ASSERT(!within(office, wed, 18, 0));
    CPPUNIT_ASSERT(!within(office, sat, 12, 0));
    CPPUNIT_ASSERT(!within(office, sun, 12, 0));
  }

  void windowOfDays() {
    CPPUNIT_ASSERT(within("Sat,Sun", sat, 0, 0) && within("Sat,Sun", sun, 23, 59) &&
                   !within("Sat,Sun", fri, 12, 0));
    CPPUNIT_ASSERT(within("fri-MON", fri, 1, 0) && within("fri-MON", sun, 1, 0) &&
                   within("fri-MON", mon, 1, 0));
    CPPUNIT_ASSERT(!within("fri-MON", wed, 1, 0));
    CPPUNIT_ASSERT(within("Wed-Wed", wed, 1, 0) && !within("Wed-Wed", fri, 1, 0));
    CPPUNIT_ASSERT(within("Mon,Fri-Sat/10:00-11:00", sat, 10, 0) &&
                   !within("Mon,Fri-Sat/10:00-11:00", wed, 10, 0));
  }

  // The night of Friday ends on Saturday morning.
  void windowOverMidnight() {
    CPPUNIT_ASSERT(within("22:00-06:00", wed, 23, 0) && within("22:00-06:00", wed, 5, 59));
    CPPUNIT_ASSERT(!within("22:00-06:00", wed, 6, 0) && !within("22:00-06:00", wed, 21, 59));
    constexpr const char* night = "Fri/22:00-06:00";
    CPPUNIT_ASSERT(within(night, fri, 22, 0) && within(night, sat, 5, 59));
    CPPUNIT_ASSERT(!within(night, fri, 5, 0) && !within(night, sat, 22, 0) && !within(night, sat, 6, 0));
    CPPUNIT_ASSERT(within("Sat/22:00-06:00", sun, 1, 0) && !within("Sat/22:00-06:00", mon, 1, 0));
  }

  void windowToTheEndOfTheDay() {
    CPPUNIT_ASSERT(within("22:00-24:00", wed, 23, 59) && !within("22:00-24:00", wed, 0, 0));
    CPPUNIT_ASSERT(within("22:00-00:00", wed, 23, 59) && !within("22:00-00:00", wed, 0, 0));
    CPPUNIT_ASSERT(within("00:00-24:00", wed, 0, 0) && within("00:00-24:00", wed, 23, 59));
    CPPUNIT_ASSERT_EQUAL(std::string("22:00-24:00"), TimeWindow::parse("22:00-24:00")->text());
  }

  void windowRefused() {
    for (const char* text : {"",
                             "/",
                             "Mon/",
                             "/08:00-18:00",
                             "Mo",
                             "Monday",
                             "Mon-",
                             "-Mon",
                             "Mon,,Tue",
                             "Mon-Wed-Fri",
                             "08:00",
                             "08:00-",
                             "-18:00",
                             "8:00-18:00",
                             "08:00-18:0",
                             "08:60-18:00",
                             "24:01-25:00",
                             "24:00-06:00",
                             "08:00-08:00",
                             "08.00-18.00",
                             "+8:00-18:00",
                             "Mon/08:00-18:00/x",
                             "08:00-18:00-20:00"}) {
      const auto parsed = TimeWindow::parse(text);
      CPPUNIT_ASSERT_MESSAGE(text, !parsed);
      CPPUNIT_ASSERT(parsed.error().failure == Failure::invalid);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(PatternTest);

}  // namespace
}  // namespace crossgate
