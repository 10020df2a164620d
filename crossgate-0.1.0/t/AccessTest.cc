// SPDX-License-Identifier: BSD-2-Clause
// The access rules by table: every condition, their order, and the addresses that are protected.
#include "gateway/access.h"

#include <cppunit/extensions/HelperMacros.h>

#include <sstream>

namespace crossgate {
namespace {

Endpoint endpoint(const char* text) { return *Endpoint::parse(text); }

class AccessTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(AccessTest);
  CPPUNIT_TEST(everyConditionDecides);
  CPPUNIT_TEST(theTimeOfDayDecides);
  CPPUNIT_TEST(theFirstMatchDecides);
  CPPUNIT_TEST(protectedAddressesNeedTheirOwnPermission);
  CPPUNIT_TEST(denialsLookThroughEmbeddedAddresses);
  CPPUNIT_TEST(aNameIsJudgedAgainAsEachAddress);
  CPPUNIT_TEST(mistakesAreNamed);
  CPPUNIT_TEST_SUITE_END();

  static AccessRules rules(const std::string& lines) {
    std::vector<AccessRule> parsed;
    std::istringstream in(lines);
    unsigned number = 0;
    for (std::string line; std::getline(in, line);) {
      auto rule = AccessRule::parse(line);
      CPPUNIT_ASSERT_MESSAGE(line + (rule ? "" : rule.error().detail), rule.has_value());
      rule->place = "f:" + std::to_string(++number);
      if (!rule->groups.empty()) rule->members = {"alice", "bob"};
      parsed.push_back(*std::move(rule));
    }
    return AccessRules(std::move(parsed));
  }
  static Subject subject(const char* user = "", socks5::Method method = socks5::Method::none,
                         bool tls = false) {
    return {endpoint("192.0.2.9:5000"), user, method, tls};
  }
  // 198.51.100.1 and 2001:db8:1::1 are the gateway's own.
  static bool isOwn(const IpAddress& address) {
    return address == *IpAddress::parse("198.51.100.1") || address == *IpAddress::parse("2001:db8:1::1");
  }
  static Judgement judge(const AccessRules& rules, const char* to, const char* name = nullptr,
                         const Subject& who = subject(), Command command = Command::connect) {
    const Endpoint target = endpoint(to);
    const std::string asked = name == nullptr ? "" : name;
    return rules.judgeAddress(who, command, name == nullptr ? nullptr : &asked, target.address.unmapped(),
                              target.port, isOwn);
  }

 public:
  void everyConditionDecides() {
    using socks5::Method;
    const struct {
      const char* rule;
      Subject who;
      Command command;
      const char* to;
      bool permitted;
    } table[] = {
        {"permit", subject(), Command::connect, "203.0.113.1:80", true},
        {"permit from 192.0.2.0/24", subject(), Command::connect, "203.0.113.1:80", true},
        {"permit from 10.0.0.0/8", subject(), Command::connect, "203.0.113.1:80", false},
        {"permit to 203.0.113.0/24:80,443", subject(), Command::connect, "203.0.113.1:443", true},
        {"permit to 203.0.113.0/24:80,443", subject(), Command::connect, "203.0.113.1:444", false},
        {"permit to *:8000-8080", subject(), Command::connect, "203.0.113.1:8080", true},
        {"permit to *:8000-8080", subject(), Command::connect, "203.0.113.1:8081", false},
        {"permit to 2001:db8::/32", subject(), Command::connect, "[2001:db8:2::1]:80", true},
        {"permit command bind,udp", subject(), Command::udp, "203.0.113.1:80", true},
        {"permit command bind,udp", subject(), Command::connect, "203.0.113.1:80", false},
        {"permit user alice,bob", subject("bob", Method::userpass), Command::connect, "203.0.113.1:80", true},
        {"permit user alice,bob", subject("carol", Method::userpass), Command::connect, "203.0.113.1:80",
         false},
        {"permit user alice", subject(), Command::connect, "203.0.113.1:80", false},
        {"permit user alice", subject("socks4:alice"), Command::connect, "203.0.113.1:80", false},
        {"permit group staff", subject("alice"), Command::connect, "203.0.113.1:80", true},
        {"permit group staff", subject("carol"), Command::connect, "203.0.113.1:80", false},
        {"permit group staff", subject("socks4:alice"), Command::connect, "203.0.113.1:80", false},
        {"permit group staff user carol", subject("carol"), Command::connect, "203.0.113.1:80", true},
        {"permit auth userpass", subject("x", Method::userpass), Command::connect, "203.0.113.1:80", true},
        {"permit auth userpass", subject("x", Method::none), Command::connect, "203.0.113.1:80", false},
        {"permit auth none", subject(), Command::connect, "203.0.113.1:80", true},
        {"permit tls yes", subject("", Method::none, true), Command::connect, "203.0.113.1:80", true},
        {"permit tls yes", subject(), Command::connect, "203.0.113.1:80", false},
        {"permit tls no", subject(), Command::connect, "203.0.113.1:80", true},
        {"permit tls no", subject("", Method::none, true), Command::connect, "203.0.113.1:80", false},
        {"permit log sessions 3 per-user 2 per-source 1", subject(), Command::connect, "203.0.113.1:80",
         true},
    };
    for (const auto& row : table) {
      const Judgement judgement = judge(rules(row.rule), row.to, nullptr, row.who, row.command);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(row.rule) + " for " + row.who.user, row.permitted,
                                   judgement.permitted);
    }
  }

  void theTimeOfDayDecides() {
    const AccessRule rule = *AccessRule::parse("permit time Mon-Fri/08:00-18:00");
    std::tm monday{};
    monday.tm_wday = 1;
    monday.tm_hour = 8;
    CPPUNIT_ASSERT(rule.concerns(subject(), Command::connect, monday));
    monday.tm_hour = 18;
    CPPUNIT_ASSERT(!rule.concerns(subject(), Command::connect, monday));
    monday.tm_hour = 8;
    monday.tm_wday = 0;
    CPPUNIT_ASSERT(!rule.concerns(subject(), Command::connect, monday));
  }

  void theFirstMatchDecides() {
    const AccessRules list = rules("deny to 203.0.113.7\npermit to 203.0.113.0/24\ndeny\npermit");
    CPPUNIT_ASSERT_EQUAL(std::string("denied by the rule at f:1"), judge(list, "203.0.113.7:80").reason);
    CPPUNIT_ASSERT_EQUAL(std::string("f:2"), judge(list, "203.0.113.8:80").rule->place);
    CPPUNIT_ASSERT_EQUAL(std::string("f:3"), judge(list, "192.0.2.1:80").rule->place);
    CPPUNIT_ASSERT_EQUAL(std::string("no rule permits it"), judge(AccessRules(), "192.0.2.1:80").reason);
  }

  void protectedAddressesNeedTheirOwnPermission() {
    const AccessRules all = rules("permit");
    const AccessRules byName = rules("permit to evil.example,localhost");
    for (const char* to : {"127.0.0.1:80",
                           "127.255.0.9:80",
                           "[::1]:80",
                           "[::ffff:127.0.0.1]:80",
                           "[64:ff9b::7f00:1]:80",
                           "[2002:7f00:1::]:80",
                           "[::127.0.0.1]:80",
                           "169.254.169.254:80",
                           "[64:ff9b::a9fe:a9fe]:80",
                           "[::ffff:169.254.169.254]:80",
                           "[fe80::1]:80",
                           "0.0.0.0:80",
                           "[::]:80",
                           "198.51.100.1:80",
                           "[::ffff:198.51.100.1]:80",
                           "[64:ff9b::c633:6401]:80",
                           "[2001:db8:1::1]:80",
                           "224.0.0.1:80",
                           "255.255.255.255:80",
                           "[ff02::1]:80"}) {
      CPPUNIT_ASSERT_MESSAGE(to, !judge(all, to).permitted);
      CPPUNIT_ASSERT_MESSAGE(to, !judge(byName, to, "evil.example").permitted);
    }
    CPPUNIT_ASSERT(judge(byName, "127.0.0.1:80", "localhost").permitted);
    CPPUNIT_ASSERT(judge(byName, "[::1]:80", "LocalHost.").permitted);
    // localhost is loopback, and nothing else that a name server may say.
    CPPUNIT_ASSERT(!judge(byName, "169.254.169.254:80", "localhost").permitted);
    CPPUNIT_ASSERT(!judge(byName, "198.51.100.1:80", "localhost").permitted);
    const AccessRules named = rules("permit to 127.0.0.0/8,169.254.169.254,198.51.100.1:8080");
    CPPUNIT_ASSERT(judge(named, "127.0.0.1:80").permitted);
    CPPUNIT_ASSERT(judge(named, "[::ffff:127.0.0.1]:80").permitted);
    CPPUNIT_ASSERT(judge(named, "169.254.169.254:80", "any.example").permitted);
    CPPUNIT_ASSERT(judge(named, "198.51.100.1:8080").permitted);
    CPPUNIT_ASSERT(!judge(named, "198.51.100.1:80").permitted);
  }

  void denialsLookThroughEmbeddedAddresses() {
    const AccessRules list = rules("deny to 203.0.113.0/24\npermit");
    for (const char* to :
         {"203.0.113.1:80", "[::ffff:203.0.113.1]:80", "[64:ff9b::cb00:7101]:80", "[2002:cb00:7101::1]:80"}) {
      CPPUNIT_ASSERT_MESSAGE(to, !judge(list, to).permitted);
    }
    CPPUNIT_ASSERT(judge(list, "[64:ff9b::cb00:7201]:80").permitted);
  }

  // What a name server says may change between two look-ups: the verdict is on the address that is
  // dialled, whatever the name was good for.
  void aNameIsJudgedAgainAsEachAddress() {
    const AccessRules list = rules("deny to 203.0.113.0/24\npermit to *.example");
    CPPUNIT_ASSERT(list.judgeName(subject(), Command::connect, "a.example", 80).permitted);
    CPPUNIT_ASSERT(!list.judgeName(subject(), Command::connect, "a.test", 80).permitted);
    CPPUNIT_ASSERT(judge(list, "192.0.2.1:80", "a.example").permitted);
    CPPUNIT_ASSERT(!judge(list, "203.0.113.1:80", "a.example").permitted);
    CPPUNIT_ASSERT(!judge(list, "127.0.0.1:80", "a.example").permitted);
    // A rule by address may permit what a name turns out to be.
    const AccessRules byAddress = rules("permit to 192.0.2.0/24");
    const Judgement open = byAddress.judgeName(subject(), Command::connect, "a.test", 80);
    CPPUNIT_ASSERT(open.permitted && open.rule == nullptr);
    CPPUNIT_ASSERT(judge(byAddress, "192.0.2.1:80", "a.test").permitted);
    CPPUNIT_ASSERT(!judge(byAddress, "198.51.100.9:80", "a.test").permitted);
  }

  void mistakesAreNamed() {
    const std::pair<const char*, const char*> table[] = {
        {"", "begins with one word"},
        {"allow", "neither permit nor deny"},
        {"permit to", "has no value"},
        {"permit to * to *", "given twice"},
        {"permit colour red", "begins with one word"},
        {"permit to * colour red", "unknown word"},
        {"permit from *.example", "known by its address"},
        {"permit command fly", "none of connect"},
        {"permit user alice,,bob", "empty name"},
        {"permit auth magic", "no method"},
        {"permit tls maybe", "neither yes nor no"},
        {"permit time never", "time: "},
        {"permit sessions 0", "1 to 1000000"},
        {"permit per-user many", "1 to 1000000"},
        {"deny sessions 3", "not to deny"},
    };
    for (const auto& [text, words] : table) {
      const auto rule = AccessRule::parse(text);
      CPPUNIT_ASSERT_MESSAGE(text, !rule.has_value());
      CPPUNIT_ASSERT_MESSAGE(rule.error().detail, rule.error().detail.find(words) != std::string::npos);
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AccessTest);

}  // namespace
}  // namespace crossgate
