// SPDX-License-Identifier: BSD-2-Clause
// gateway/config: the table, the file, the command line, and what is said about mistakes.
#include "gateway/config.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>
#include <vector>

namespace crossgate {
namespace {

class ConfigTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ConfigTest);
  CPPUNIT_TEST(everyDefaultIsGood);
  CPPUNIT_TEST(everyOptionHasWords);
  CPPUNIT_TEST(everyOptionTakesItsValuesAndRefusesNonsense);
  CPPUNIT_TEST(theFileIsRead);
  CPPUNIT_TEST(theCommandLineWins);
  CPPUNIT_TEST(aDumpIsAFileThatSaysTheSame);
  CPPUNIT_TEST(everyMistakeNamesFileLineAndKey);
  CPPUNIT_TEST(allMistakesAreTold);
  CPPUNIT_TEST(aMissingFileIsAnError);
  CPPUNIT_TEST(optionsThatContradictAreRefused);
  CPPUNIT_TEST(withoutAFileOnlyThisHostIsServed);
  CPPUNIT_TEST_SUITE_END();

  std::string file_;

  void write(const std::string& text) { std::ofstream(file_) << text; }
  Config read(const std::string& text, const Overrides& overrides = {}) {
    write(text);
    auto loaded = loadConfig(file_, overrides);
    CPPUNIT_ASSERT_MESSAGE(loaded ? "" : loaded.error().detail, loaded.has_value());
    return std::move(loaded->config);
  }
  std::string mistakeIn(const std::string& text) {
    write(text);
    const auto loaded = loadConfig(file_, {});
    CPPUNIT_ASSERT_MESSAGE("no mistake seen in: " + text, !loaded.has_value());
    return loaded.error().detail;
  }
  static void checkContains(const std::string& text, const std::string& part) {
    CPPUNIT_ASSERT_MESSAGE("'" + part + "' is not in: " + text, text.find(part) != text.npos);
  }

 public:
  void setUp() override {
    char name[] = "/tmp/crossgate-config-XXXXXX";
    ::close(mkstemp(name));
    file_ = name;
  }
  void tearDown() override { unlink(file_.c_str()); }

  void everyDefaultIsGood() {
    const auto loaded = loadConfig("", {});
    CPPUNIT_ASSERT_MESSAGE(loaded ? "" : loaded.error().detail, loaded.has_value());
    CPPUNIT_ASSERT_EQUAL(256U, loaded->config.workers.max);
  }
  void everyOptionHasWords() {
    for (const Option& option : optionTable()) {
      CPPUNIT_ASSERT_MESSAGE(option.name, !option.help.empty() && !option.argument.empty());
      CPPUNIT_ASSERT_MESSAGE(option.name, option.help.back() == '.');
      CPPUNIT_ASSERT_MESSAGE(option.name, option.repeats || option.defaults.size() < 2);
    }
  }
  void everyOptionTakesItsValuesAndRefusesNonsense() {
    struct Samples {
      std::vector<const char*> good;
      std::vector<const char*> bad;
    };
    const std::vector<const char*> yesNo{"yes", "no"}, neither{"true", "1", "YES"};
    const std::vector<const char*> spans{"0", "604801", "-1", "1s", "1.5"};
    // What is a name or a file is looked at by who uses it.
    const Samples text{{"/some/where"}, {}};
    const std::map<std::string, Samples> samples = {
        {"user", text},
        {"pid-file", text},
        {"listen.socks",
         {{"192.0.2.1:1080", "[2001:db8::1]:0", "eth0:1080", "lo:1080 version 4,5 proxy from 192.0.2.0/24 owner 0"},
          {"192.0.2.1", "192.0.2.1:65536", "eth0:0", "[2001:db8::1]", "192.0.2.1:1080 version 6",
           "192.0.2.1:1080 proxy", "192.0.2.1:1080 from 192.0.2.1", "192.0.2.1:1080 proxy from a.example",
           "192.0.2.1:1080 twice"}}},
        {"listen.tls", {{"192.0.2.1:1081", "[2001:db8::1]:1081"}, {"192.0.2.1", "192.0.2.1:x", ":1081"}}},
        {"tls.certificate", text},
        {"tls.key", text},
        {"tls.client-ca", text},
        {"tls.client-certificate", {{"optional", "required"}, {"yes"}}},
        {"tls.user", {{"no", "subject", "common-name", "email", "dns"}, {"yes", "cn"}}},
        {"tls.ciphers", text},
        {"tls.minimum", {{"1.2", "1.3"}, {"1.1", "1.4", "TLSv1.2"}}},
        {"tls.detect", {yesNo, neither}},
        {"tls.udp", {yesNo, neither}},
        {"workers.start", {{"1", "4096"}, {"0", "4097", "-1", "x", "1 2"}}},
        {"workers.spare-min", {{"0", "4096"}, {"4097", "-1", "x"}}},
        {"workers.spare-max", {{"1", "4096"}, {"0", "4097"}}},
        {"workers.max", {{"1", "4096"}, {"0", "4097"}}},
        {"workers.relays", {{"1", "65536"}, {"0", "65537"}}},
        {"workers.lifetime", {{"0", "1000000000"}, {"1000000001", "99999999999999999999"}}},
        {"workers.drain", {{"0", "604800"}, {"604801", "-1", "1s"}}},
        {"workers.sandbox", {yesNo, neither}},
        {"limits.per-source", {{"0", "1000000"}, {"1000001", "-1", "few"}}},
        {"auth.method",
         {{"none", "gssapi,userpass,none from 192.0.2.0/24 listen tls"},
          {"password", "none,", "none from 192.0.2.0/33", "none listen udp", "none to 192.0.2.1"}}},
        {"auth.password-file", text},
        {"auth.pam", text},
        {"auth.checkers", {{"1", "64"}, {"0", "65"}}},
        {"auth.remember", {{"0", "3600"}, {"3601", "-1"}}},
        {"auth.failures", {{"0", "1000000"}, {"1000001", "-1"}}},
        {"auth.refuse", {{"1", "604800"}, spans}},
        {"gssapi.keytab", text},
        {"gssapi.protection", {{"confidentiality,integrity,selective,none", "none"}, {"privacy", "none,"}}},
        {"gssapi.nec", {yesNo, neither}},
        {"gssapi.user", {{"principal", "short"}, {"long"}}},
        {"access.rule",
         {{"permit", "deny from 192.0.2.0/24 to *.example:80 command udp user a group b auth none tls yes log"},
          {"allow", "permit all", "permit from", "permit command ping", "permit auth password", "permit tls maybe",
           "permit time noon", "permit sessions 0", "permit from 192.0.2.0/33"}}},
        {"access.group", {{"staff alice", "staff alice,bob"}, {"staff", "staff alice bob", "staff alice,,bob"}}},
        {"route.via",
         {{"direct", "socks5://192.0.2.1:1080 http+tls://hop.example:443 | socks4a://192.0.2.2:1080 to *.example"},
          {"nowhere", "ftp://192.0.2.1:21", "socks5://192.0.2.1", "socks5://192.0.2.1:0",
           "direct balance evenly", "direct pipeline maybe"}}},
        {"route.timeout", {{"1", "3600"}, {"0", "3601"}}},
        {"route.down", {{"1", "604800"}, spans}},
        {"route.gateways", {{"1", "31"}, {"0", "32"}}},
        {"route.ca", text},
        {"route.certificate", text},
        {"route.key", text},
        {"route.gssapi", {{"confidentiality", "integrity"}, {"none", "selective"}}},
        {"route.udp", {yesNo, neither}},
        {"resolver.nameserver",
         {{"192.0.2.53", "2001:db8::53", "[2001:db8::53]:5353"}, {"dns.example", "192.0.2.53:65536", "192.0.2.256"}}},
        {"resolver.prefer", {{"ipv6", "ipv4", "ipv4-only", "ipv6-only"}, {"ipv5", "ipv6,ipv4"}}},
        {"external.address", {{"192.0.2.1", "2001:db8::1"}, {"eth0", "192.0.2.1:80", "192.0.2.0/24"}}},
        {"bind.ports", {{"1-65535", "4000-4000", "4000"}, {"0-10", "10-9", "1-65536", "a-b", "10-"}}},
        {"bind.advertise", {{"192.0.2.1", "2001:db8::1"}, {"0.0.0.0", "::", "gw.example"}}},
        {"udp.ports", {{"1-65535", "4000"}, {"0-10", "10-9", "1-65536", "-10"}}},
        {"udp.advertise", {{"192.0.2.1", "2001:db8::1"}, {"0.0.0.0", "::", "gw.example"}}},
        {"udp.fragments", {{"reassemble", "drop"}, {"keep"}}},
        {"udp.peers", {{"contacted", "any"}, {"none"}}},
        {"timeout.negotiate", {{"1", "604800"}, spans}},
        {"timeout.connect", {{"1", "604800"}, spans}},
        {"timeout.bind", {{"1", "604800"}, spans}},
        {"timeout.idle", {{"1", "604800"}, spans}},
        {"timeout.udp", {{"1", "604800"}, spans}},
        {"timeout.half-closed", {{"1", "604800"}, spans}},
        {"log.to", text},
        {"log.format", {{"text", "json"}, {"xml"}}},
        {"log.level", {{"error", "warning", "info", "debug"}, {"notice", "INFO"}}},
    };
    CPPUNIT_ASSERT_EQUAL(samples.size(), optionTable().size());
    for (const Option& option : optionTable()) {
      CPPUNIT_ASSERT_MESSAGE(option.name, samples.contains(option.name));
      const std::size_t dot = option.name.find('.');
      const bool bare = dot == option.name.npos;
      for (const char* value : samples.at(option.name).good) {
        Config config;
        const auto assigned = option.assign(config, {value, "here"});
        CPPUNIT_ASSERT_MESSAGE(option.name + " = " + value + ": " + (assigned ? "" : assigned.error().detail),
                               assigned.has_value());
      }
      for (const char* value : samples.at(option.name).bad) {
        const std::string section = bare ? "" : "[" + option.name.substr(0, dot) + "]";
        checkContains(mistakeIn(section + "\n" + option.name.substr(bare ? 0 : dot + 1) + " = " + value + "\n"),
                      file_ + ":2: " + option.name + ": ");
      }
    }
  }
  void theFileIsRead() {
    const Config config = read(
        "# a comment\nuser = nobody\n[listen]\nsocks = 192.0.2.1:1080\n  socks = [2001:db8::1]:1081 # more\n"
        "[workers]\nrelays = 1\n\n[resolver]\nprefer = ipv4-only\nnameserver = 192.0.2.53\n"
        "nameserver = [2001:db8::53]:5353\n[timeout]\nhalf-closed = 7\n");
    CPPUNIT_ASSERT_EQUAL(std::string("nobody"), config.user);
    CPPUNIT_ASSERT_EQUAL(std::size_t{2}, config.listeners.size());
    CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::1]:1081"), config.listeners[1].endpoint.toString());
    CPPUNIT_ASSERT_EQUAL(1U, config.workers.relays);
    CPPUNIT_ASSERT(config.dial.prefer == Preference::ipv4Only);
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.53:53"), config.nameservers.at(0));
    CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::53]:5353"), config.nameservers.at(1));
    CPPUNIT_ASSERT(config.timeouts.relay.halfClosed == std::chrono::seconds(7));
  }
  void theCommandLineWins() {
    const Config config = read("[listen]\nsocks = 192.0.2.1:1080\n[workers]\nmax = 9\nstart = 9\n",
                               {{"listen.socks", "192.0.2.2:1"}, {"workers.max", "10"}});
    CPPUNIT_ASSERT_EQUAL(std::size_t{1}, config.listeners.size());
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.2:1"), config.listeners[0].endpoint.toString());
    CPPUNIT_ASSERT_EQUAL(10U, config.workers.max);
  }
  void aDumpIsAFileThatSaysTheSame() {
    write("user = nobody\n[workers]\nmax = 77\n[access]\nrule = deny to 192.0.2.0/24\nrule = permit\n");
    const auto first = loadConfig(file_, {});
    std::ostringstream dumped;
    dumpConfig(dumped, first->values);
    write(dumped.str());
    const auto second = loadConfig(file_, {});
    CPPUNIT_ASSERT_MESSAGE(second ? "" : second.error().detail, second.has_value());
    std::ostringstream again;
    dumpConfig(again, second->values);
    CPPUNIT_ASSERT_EQUAL(dumped.str(), again.str());
    checkContains(dumped.str(), "max = 77");
    checkContains(dumped.str(), "rule = deny to 192.0.2.0/24\nrule = permit\n");
    for (const Option& option : optionTable()) {
      checkContains(dumped.str(), option.name.substr(option.name.find('.') + 1) + " =");
    }
  }
  void everyMistakeNamesFileLineAndKey() {
    struct Row {
      const char* text;
      const char* line;
      const char* words;
    };
    for (const Row& row : {
             Row{"\n[workers]\nmaximum = 3\n", ":3: ", "workers.maximum"},
             Row{"[workers]\nmax = many\n",
                 ":2: ", "workers.max: 'many' is not a whole number from 1 to 4096"},
             Row{"[workers]\nmax = 0\n", ":2: ", "workers.max"},
             Row{"[workers]\nmax = 4097\n", ":2: ", "workers.max"},
             Row{"[workers]\nmax = 12x\n", ":2: ", "workers.max"},
             Row{"[workers]\nmax = 3\nmax = 4\n", ":3: ", "workers.max: given again; first at "},
             Row{"[listen]\nsocks = 1080\n", ":2: ", "listen.socks"},
             Row{"[listen]\nsocks = ::1:1080\n", ":2: ", "listen.socks"},
             Row{"[listen]\nsocks = 0.0.0.0:1080 owner root\n", ":2: ", "owner: only on loopback"},
             Row{"[listen]\nsocks = eth0:1080 owner root\n", ":2: ", "owner: only on loopback"},
             Row{"[listen]\nsocks = lo:1080 owner no-such-user\n", ":2: ", "there is no user"},
             Row{"[listen]\nsocks = 127.0.0.1:1080 owner no-such-user\n", ":2: ", "there is no user"},
             Row{"[resolver]\nprefer = best\n", ":2: ", "resolver.prefer: 'best' is none of ipv6, ipv4"},
             Row{"[access]\nrule = permit\nrule = allow all\n", ":3: ", "access.rule"},
             Row{"[external]\naddress = 192.0.2.1\naddress = 192.0.2.2\n",
                 ":3: ", "external.address: a second ipv4"},
             Row{"[timeout]\nidle = 0\n", ":2: ", "timeout.idle"},
             Row{"what is this\n", ":1: ", "what is this"},
             Row{"[nowhere]\nkey = 1\n", ":2: ", "nowhere.key"},
         }) {
      const std::string mistake = mistakeIn(row.text);
      checkContains(mistake, file_ + row.line);
      checkContains(mistake, row.words);
    }
  }
  void allMistakesAreTold() {
    const std::string mistakes = mistakeIn("[workers]\nmax = 0\nstart = no\n[log]\nlevel = loud\n");
    for (const char* line : {":2: ", ":3: ", ":5: "}) checkContains(mistakes, file_ + line);
  }
  void aMissingFileIsAnError() {
    const auto loaded = loadConfig("/nonexistent/crossgate.conf", {});
    CPPUNIT_ASSERT(!loaded.has_value());
    checkContains(loaded.error().detail, "/nonexistent/crossgate.conf");
  }
  void optionsThatContradictAreRefused() {
    checkContains(mistakeIn("[workers]\nspare-min = 9\nspare-max = 3\n"), "workers.spare-min (9) is larger");
    checkContains(mistakeIn("[workers]\nmax = 3\n"), "workers.start (8) is larger than workers.max (3)");
  }
  void withoutAFileOnlyThisHostIsServed() {
    const auto loaded = loadConfig("", {});
    for (const ListenerConfig& listener : loaded->config.listeners) {
      CPPUNIT_ASSERT(listener.endpoint.address.isLoopback());
    }
    const auto judged = [&](const char* client) {
      const Subject subject{*Endpoint::parse(client), ""};
      return loaded->config.access
          .judgeAddress(subject, Command::connect, nullptr, *IpAddress::parse("198.51.100.1"), 80,
                        [](const IpAddress&) { return false; })
          .permitted;
    };
    CPPUNIT_ASSERT(judged("127.0.0.1:5000"));
    CPPUNIT_ASSERT(judged("[::1]:5000"));
    CPPUNIT_ASSERT(!judged("192.0.2.1:5000"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ConfigTest);

}  // namespace
}  // namespace crossgate
