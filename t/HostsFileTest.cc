// SPDX-License-Identifier: BSD-2-Clause
// gateway/hosts_file: what hosts(5) may hold, and a file that changes.
#include "gateway/hosts_file.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace crossgate {
namespace {

class HostsFileTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(HostsFileTest);
  CPPUNIT_TEST(aNameHasTheAddressesOfAllItsLines);
  CPPUNIT_TEST(aliasesCaseCommentsAndRubbish);
  CPPUNIT_TEST(localhostIsLoopbackWhateverTheFileSays);
  CPPUNIT_TEST(anAddressHasTheFirstNameOfItsLine);
  CPPUNIT_TEST(aChangeIsNoticed);
  CPPUNIT_TEST(noFileIsAnEmptyOne);
  CPPUNIT_TEST(itRemembersSoManyNamesAndNoMore);
  CPPUNIT_TEST_SUITE_END();

  std::string path_;

  void write(const std::string& text) const { std::ofstream(path_) << text; }

  static std::string addresses(HostsFile& hosts, const std::string& name) {
    std::string text;
    for (const IpAddress& address : hosts.addressesOf(name)) {
      text += (text.empty() ? "" : " ") + address.toString();
    }
    return text;
  }

 public:
  void setUp() override {
    char path[] = "/tmp/hosts-XXXXXX";
    close(mkstemp(path));
    path_ = path;
  }
  void tearDown() override { unlink(path_.c_str()); }

  void aNameHasTheAddressesOfAllItsLines() {
    write("192.0.2.1 a.example\n2001:db8::1 a.example b.example\n192.0.2.2 a.example\n192.0.2.1 a.example\n");
    HostsFile hosts(path_);
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1 2001:db8::1 192.0.2.2"), addresses(hosts, "a.example"));
    CPPUNIT_ASSERT_EQUAL(std::string("2001:db8::1"), addresses(hosts, "b.example"));
    CPPUNIT_ASSERT_EQUAL(std::string(), addresses(hosts, "example"));
  }

  void aliasesCaseCommentsAndRubbish() {
    write("# a.example\n192.0.2.1\tWeb.Example  www # b.example\r\nrubbish a.example\n\n192.0.2.9\n192.0.2.3 last");
    HostsFile hosts(path_);
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1"), addresses(hosts, "web.eXample"));
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1"), addresses(hosts, "WWW"));
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.3"), addresses(hosts, "last"));
    CPPUNIT_ASSERT_EQUAL(std::string(), addresses(hosts, "a.example"));
    CPPUNIT_ASSERT_EQUAL(std::string(), addresses(hosts, "b.example"));
  }

  void localhostIsLoopbackWhateverTheFileSays() {
    write("127.0.0.1 localhost\n");
    HostsFile hosts(path_);
    CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.1 ::1"), addresses(hosts, "localhost"));
    CPPUNIT_ASSERT_EQUAL(std::string("::1 127.0.0.1"), addresses(hosts, "db.LOCALHOST"));
    CPPUNIT_ASSERT_EQUAL(std::string(), addresses(hosts, "notlocalhost"));
  }

  void anAddressHasTheFirstNameOfItsLine() {
    write("192.0.2.1 a.example www\n2001:db8::1 b.example\n");
    const HostsFile hosts(path_);
    CPPUNIT_ASSERT_EQUAL(std::string("a.example"), hosts.nameOf(*IpAddress::parse("192.0.2.1")).value());
    CPPUNIT_ASSERT_EQUAL(std::string("b.example"), hosts.nameOf(*IpAddress::parse("2001:db8:0::1")).value());
    CPPUNIT_ASSERT(!hosts.nameOf(*IpAddress::parse("192.0.2.2")));
  }

  void aChangeIsNoticed() {
    write("192.0.2.1 a.example\n");
    HostsFile hosts(path_, std::chrono::milliseconds(0));
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1"), addresses(hosts, "a.example"));
    write("192.0.2.22 a.example\n");
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.22"), addresses(hosts, "a.example"));
    unlink(path_.c_str());
    CPPUNIT_ASSERT_EQUAL(std::string(), addresses(hosts, "a.example"));
  }

  void noFileIsAnEmptyOne() {
    HostsFile hosts("/nonexistent/hosts");
    CPPUNIT_ASSERT_EQUAL(std::string(), addresses(hosts, "a.example"));
    CPPUNIT_ASSERT(!hosts.nameOf(*IpAddress::parse("192.0.2.1")));
  }

  // What is forgotten is read again: only the answers can be seen here, and they must stay right.
  void itRemembersSoManyNamesAndNoMore() {
    write("192.0.2.1 a.example\n");
    HostsFile hosts(path_);
    for (int i = 0; i < 1000; ++i) {
      CPPUNIT_ASSERT_EQUAL(std::string(), addresses(hosts, "n" + std::to_string(i)));
      CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1"), addresses(hosts, "a.example"));
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(HostsFileTest);

}  // namespace
}  // namespace crossgate
