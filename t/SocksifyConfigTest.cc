// SPDX-License-Identifier: BSD-2-Clause
// The Socks Lib's config: every key, every error with its place.
#include <cppunit/extensions/HelperMacros.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "socksify/config.h"
#include "socksify/private_gateway.h"

using namespace crossgate;
using namespace crossgate::socksify;

namespace {

std::string errorOf(const std::string& text) {
  Config config;
  const auto parsed = parseConfig(config, text, "FILE");
  return parsed ? "" : parsed.error().detail;
}

class SocksifyConfigTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SocksifyConfigTest);
  CPPUNIT_TEST(everyKeyTakesAValueAndRefusesNonsense);
  CPPUNIT_TEST(errorsNameFileLineAndKey);
  CPPUNIT_TEST(gatewaysAreTakenWithAndWithoutPort);
  CPPUNIT_TEST(aPrivateGatewayTakesTheGatewaysPlace);
  CPPUNIT_TEST(whatAPrivateGatewayIsTold);
  CPPUNIT_TEST(directPatternsAddUp);
  CPPUNIT_TEST(commentsEndLinesButNotPasswords);
  CPPUNIT_TEST(aPasswordFileMustBePrivate);
  CPPUNIT_TEST(theEnvironmentWinsOverFiles);
  CPPUNIT_TEST(aFileThatIsNamedMustBeThere);
  CPPUNIT_TEST_SUITE_END();

 public:
  void setUp() override {
    char folder[] = "/tmp/socksify-config-XXXXXX";
    folder_ = ::mkdtemp(folder);
    for (const char* name :
         {"SOCKS5_SERVER", "SOCKS5_USER", "SOCKS5_PASSWD", "SOCKSIFY_DIRECT", "SOCKSIFY_CONF"}) {
      ::unsetenv(name);
    }
    ::setenv("XDG_CONFIG_HOME", folder_.c_str(), 1);
  }
  void tearDown() override {
    for (const char* name : {"/socksify.conf", "/secret"}) ::unlink((folder_ + name).c_str());
    ::rmdir(folder_.c_str());
    setUpEnvironmentAway();
  }

  void everyKeyTakesAValueAndRefusesNonsense() {
    const std::string secret = write("/secret", "pw\n", 0600);
    const std::map<std::string, std::pair<std::string, std::string>> samples = {
        {"gateway", {"gw.example:1081", "gw:99999"}},
        {"auth", {"gssapi", "none"}},
        {"ca", {"/etc/ca.pem", "ca.pem"}},
        {"certificate", {"/etc/me.pem", "me.pem"}},
        {"key", {"/etc/me.key", "./me.key"}},
        {"via", {"direct to *.lan", "direct\x01"}},
        {"user", {"alice", std::string(256, 'u')}},
        {"password", {"s3cret", std::string(256, 'p')}},
        {"password-file", {secret, "/nonexistent"}},
        {"direct", {"*.lan,10.0.0.0/8:80", "10.0.0.0/99"}},
        {"fake-ipv4", {"198.18.0.0/15", "198.18.0.0/4"}},
        {"fake-ipv6", {"2001:db8::/64", "0.0.0.0/8"}},
        {"family", {"ipv6", "ipv5"}},
        {"resolve", {"check", "maybe"}},
        {"bind", {"never", "sometimes"}},
        {"udp", {"no", "1"}},
        {"unprotected", {"run", "allow"}},
        {"pipeline", {"yes", "true"}},
        {"timeout", {"5", "0"}},
        {"verbose", {"yes", "loud"}},
    };
    CPPUNIT_ASSERT_EQUAL(samples.size(), configOptions().size());
    for (const ConfigOption& option : configOptions()) {
      const auto& [good, bad] = samples.at(option.name);
      CPPUNIT_ASSERT_EQUAL(std::string(), errorOf(std::string(option.name) + " = " + good));
      CPPUNIT_ASSERT_MESSAGE(option.name, errorOf(std::string(option.name) + " = " + bad)
                                              .starts_with(std::string("FILE:1: ") + option.name + ": "));
    }
  }

  void errorsNameFileLineAndKey() {
    CPPUNIT_ASSERT_EQUAL(std::string("FILE:3: colour: there is no such key"),
                         errorOf("# a comment\n\ncolour = blue\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("FILE:1: 'gateway' is no `key = value`"), errorOf("gateway"));
  }

  void gatewaysAreTakenWithAndWithoutPort() {
    const struct {
      const char* text;
      const char* host;
      int port;
      bool tls = false;
    } rows[] = {{"gw.example", "gw.example", 1080},
                {"gw.example:9050", "gw.example", 9050},
                {"2001:db8::1", "2001:db8::1", 1080},
                {"[2001:db8::1]", "2001:db8::1", 1080},
                {"[2001:db8::1]:9050", "2001:db8::1", 9050},
                {"192.0.2.1", "192.0.2.1", 1080},
                {"socks5://gw.example", "gw.example", 1080},
                {"tls://gw.example", "gw.example", 1081, true},
                {"tls://[2001:db8::1]:9050", "2001:db8::1", 9050, true}};
    for (const auto& row : rows) {
      Config config;
      CPPUNIT_ASSERT_EQUAL(std::string(),
                           messageOf(parseConfig(config, std::string("gateway=") + row.text, "F")));
      CPPUNIT_ASSERT_EQUAL(std::string(row.host), config.gatewayHost);
      CPPUNIT_ASSERT_EQUAL(row.port, int{config.gatewayPort});
      CPPUNIT_ASSERT_EQUAL(row.tls, config.tls);
      CPPUNIT_ASSERT_EQUAL(row.tls, config.needsPrivateGateway());
    }
  }

  void aPrivateGatewayTakesTheGatewaysPlace() {
    ::setenv("SOCKS5_SERVER", "tls://gw.example", 1);
    ::setenv("SOCKS5_USER", "alice", 1);
    ::setenv("SOCKSIFY_RELAY", "127.0.0.1:40000", 1);
    const auto config = loadConfig();
    ::setenv("SOCKS5_SERVER", "gw.example", 1);
    const auto plain = loadConfig();
    ::setenv("SOCKS5_SERVER", "tls://gw.example", 1);
    ::setenv("SOCKSIFY_RELAY", "nonsense", 1);
    const auto broken = loadConfig();
    ::unsetenv("SOCKSIFY_RELAY");
    const auto alone = loadConfig();
    CPPUNIT_ASSERT(config && config->relayed && !config->credentials);
    CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.1"), config->gatewayHost);
    CPPUNIT_ASSERT_EQUAL(40000, int{config->gatewayPort});
    CPPUNIT_ASSERT(plain && !plain->relayed && plain->gatewayHost == "gw.example");
    CPPUNIT_ASSERT(!broken);
    CPPUNIT_ASSERT(alone && !alone->relayed && alone->needsPrivateGateway());
  }
  void whatAPrivateGatewayIsTold() {
    Config config;
    CPPUNIT_ASSERT_EQUAL(std::string(), messageOf(parseConfig(config,
                                                              "gateway = tls://[2001:db8::1]:9050\nuser = a@b:c\n"
                                                              "password = p%\nca = /ca.pem\nvia = direct to *.lan\n",
                                                              "F")));
    const std::string told = privateConfig(config, 1000);
    for (const char* line : {"socks = 127.0.0.1:0 owner 1000\n",
                             "via = direct to *.lan\nvia = socks5+tls://a%40b%3Ac:p%25@[2001:db8::1]:9050\n",
                             "ca = /ca.pem\n"}) {
      CPPUNIT_ASSERT_MESSAGE(told, told.find(line) != told.npos);
    }
    config.gssapi = true;
    CPPUNIT_ASSERT(privateConfig(config, 0).find("via = socks5+tls+gssapi://[2001:db8::1]:9050\n") !=
                   std::string::npos);
  }
  void directPatternsAddUp() {
    Config config;
    CPPUNIT_ASSERT(parseConfig(config, "direct = *.lan\ndirect = 10.0.0.0/8:22\n", "F"));
    const std::string name = "printer.lan";
    const IpAddress ten = *IpAddress::parse("10.1.2.3");
    CPPUNIT_ASSERT(config.isDirect(&name, nullptr, 80));
    CPPUNIT_ASSERT(config.isDirect(nullptr, &ten, 22));
    CPPUNIT_ASSERT(!config.isDirect(nullptr, &ten, 23));
    write("/socksify.conf", "direct = *.lan\n", 0644);
    ::setenv("SOCKSIFY_DIRECT", "10.0.0.0/8", 1);
    const auto loaded = loadConfig();
    CPPUNIT_ASSERT(loaded && loaded->isDirect(&name, nullptr, 80) && loaded->isDirect(nullptr, &ten, 23));
  }

  void commentsEndLinesButNotPasswords() {
    Config config;
    CPPUNIT_ASSERT(parseConfig(config, "user = a # the user\npassword = x#y", "F"));
    CPPUNIT_ASSERT_EQUAL(std::string("a"), config.credentials->user);
    CPPUNIT_ASSERT_EQUAL(std::string("x#y"), config.credentials->password);
  }

  void aPasswordFileMustBePrivate() {
    const std::string path = write("/secret", "open sesame\nmore\n", 0600);
    Config config;
    CPPUNIT_ASSERT(parseConfig(config, "password-file = " + path, "F"));
    CPPUNIT_ASSERT_EQUAL(std::string("open sesame"), config.credentials->password);
    ::chmod(path.c_str(), 0640);
    CPPUNIT_ASSERT(errorOf("password-file = " + path).find("others may read it") != std::string::npos);
  }

  void theEnvironmentWinsOverFiles() {
    write("/socksify.conf", "gateway = from.file\nuser = filed\npassword = x\n", 0644);
    ::setenv("SOCKS5_SERVER", "from.environment:99", 1);
    const auto config = loadConfig();
    CPPUNIT_ASSERT_EQUAL(std::string(), messageOf(config));
    CPPUNIT_ASSERT_EQUAL(std::string("from.environment"), config->gatewayHost);
    CPPUNIT_ASSERT_EQUAL(std::string("filed"), config->credentials->user);
    ::setenv("SOCKS5_SERVER", ":", 1);
    CPPUNIT_ASSERT(loadConfig().error().detail.starts_with("environment: SOCKS5_SERVER: "));
  }

  void aFileThatIsNamedMustBeThere() {
    CPPUNIT_ASSERT(loadConfig().has_value());
    ::setenv("SOCKSIFY_CONF", (folder_ + "/none").c_str(), 1);
    CPPUNIT_ASSERT(!loadConfig().has_value());
  }

 private:
  template <class T>
  static std::string messageOf(const Result<T>& result) {
    return result ? "" : result.error().detail;
  }
  std::string write(const char* name, const char* text, mode_t mode) {
    const std::string path = folder_ + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
  static void setUpEnvironmentAway() {
    for (const char* name : {"SOCKS5_SERVER", "SOCKSIFY_CONF", "SOCKSIFY_DIRECT", "XDG_CONFIG_HOME"})
      ::unsetenv(name);
  }

  std::string folder_;
};
CPPUNIT_TEST_SUITE_REGISTRATION(SocksifyConfigTest);

}  // namespace
