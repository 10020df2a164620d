// SPDX-License-Identifier: BSD-2-Clause
// The mapping table: names to fakes and back, by many threads and processes at once.
#include "socksify/mapping_table.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <thread>
#include <vector>

using namespace crossgate;
using namespace crossgate::socksify;

namespace {

std::string numbered(int i) { return "host" + std::to_string(i) + ".example"; }

class MappingTableTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(MappingTableTest);
  CPPUNIT_TEST(theSameNameGetsTheSameFake);
  CPPUNIT_TEST(aFakeIsOfTheFamilyAskedForAndLeadsBack);
  CPPUNIT_TEST(aMappedFakeLeadsBack);
  CPPUNIT_TEST(namesThatNoRequestCanCarryAreErrors);
  CPPUNIT_TEST(hundredThousandNamesAreAllTold);
  CPPUNIT_TEST(aSmallRangeRunsOutWithAnError);
  CPPUNIT_TEST(addressesThatWereNotAssignedHaveNoName);
  CPPUNIT_TEST(threadsAgreeOnEveryName);
  CPPUNIT_TEST(processesShareAFile);
  CPPUNIT_TEST(aFileThatOthersMayReadIsNotTrusted);
  CPPUNIT_TEST_SUITE_END();

 public:
  void setUp() override {
    memory_ = TreeMemory::open(nullptr);
    CPPUNIT_ASSERT(memory_ != nullptr);
  }
  void tearDown() override { ::munmap(memory_, sizeof(TreeMemory)); }

  void theSameNameGetsTheSameFake() {
    const FakeIp fake = table().assign("www.example", Family::ipv4).value();
    CPPUNIT_ASSERT(table().assign("WWW.Example.", Family::ipv4).value() == fake);
    CPPUNIT_ASSERT(table().assign("ww.example", Family::ipv4).value() != fake);
  }

  void aFakeIsOfTheFamilyAskedForAndLeadsBack() {
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      const FakeIp fake = table().assign("www.example", family).value();
      CPPUNIT_ASSERT(fake.family() == family);
      CPPUNIT_ASSERT(table().isFake(fake));
      CPPUNIT_ASSERT_EQUAL(std::string("www.example"), table().lookup(fake).value());
    }
  }

  void aMappedFakeLeadsBack() {
    const FakeIp fake = table().assign("www.example", Family::ipv4).value();
    CPPUNIT_ASSERT_EQUAL(std::string("www.example"), table().lookup(fake.mapped()).value());
  }

  void namesThatNoRequestCanCarryAreErrors() {
    CPPUNIT_ASSERT(table().assign(std::string(255, 'a'), Family::ipv4).has_value());
    CPPUNIT_ASSERT(table().assign(std::string(256, 'a'), Family::ipv4).error().failure == Failure::invalid);
    CPPUNIT_ASSERT(table().assign("", Family::ipv4).error().failure == Failure::invalid);
  }

  void hundredThousandNamesAreAllTold() {
    std::set<FakeIp> fakes;
    for (int i = 0; i < 100000; ++i) fakes.insert(table().assign(numbered(i), Family::ipv4).value());
    CPPUNIT_ASSERT_EQUAL(std::size_t{100000}, fakes.size());
    for (int i = 0; i < 100000; i += 7) {
      CPPUNIT_ASSERT_EQUAL(numbered(i), *table().lookup(table().assign(numbered(i), Family::ipv6).value()));
    }
  }

  void aSmallRangeRunsOutWithAnError() {
    small_ = {*IpAddress::parse("192.0.2.0"), 24};
    MappingTable narrow(memory_->mapping, small_, config_.fakeIpv6);
    for (int i = 0; i < 254; ++i) {
      const FakeIp fake = narrow.assign(numbered(i), Family::ipv4).value();
      CPPUNIT_ASSERT(small_.contains(fake));
    }
    CPPUNIT_ASSERT(narrow.assign("one.more", Family::ipv4).error().failure == Failure::exhausted);
  }

  void addressesThatWereNotAssignedHaveNoName() {
    CPPUNIT_ASSERT(!table().lookup(*IpAddress::parse("0.0.0.9")));
    CPPUNIT_ASSERT(!table().lookup(*IpAddress::parse("0.255.255.255")));
    CPPUNIT_ASSERT(!table().lookup(*IpAddress::parse("100::ffff:ffff")));
    CPPUNIT_ASSERT(!table().isFake(*IpAddress::parse("0.0.0.0")));
    CPPUNIT_ASSERT(!table().isFake(*IpAddress::parse("192.0.2.1")));
  }

  void threadsAgreeOnEveryName() {
    constexpr std::size_t threads = 8, names = 2000;
    std::vector<std::vector<FakeIp>> seen(threads);
    std::vector<std::thread> running;
    for (std::size_t t = 0; t < threads; ++t) {
      running.emplace_back([&, t] {
        for (std::size_t i = 0; i < names; ++i) {
          const std::size_t which = t % 2 == 0 ? i : names - 1 - i;
          seen[t].push_back(table().assign(numbered(static_cast<int>(which)), Family::ipv4).value());
        }
      });
    }
    for (auto& thread : running) thread.join();
    for (std::size_t t = 0; t < threads; ++t) {
      for (std::size_t i = 0; i < names; ++i) {
        const std::size_t at = t % 2 == 0 ? i : names - 1 - i;
        CPPUNIT_ASSERT(seen[t][at] == seen[0][i]);
      }
    }
  }

  void processesShareAFile() {
    const std::string path = newFile();
    CPPUNIT_ASSERT(TreeMemory::create(path.c_str()));
    CPPUNIT_ASSERT(!TreeMemory::create(path.c_str()));
    if (::fork() == 0) {
      TreeMemory* theirs = TreeMemory::open(path.c_str());
      MappingTable other(theirs->mapping, config_.fakeIpv4, config_.fakeIpv6);
      const bool good = other.assign("from.child", Family::ipv4).has_value();
      ::_exit(good ? 0 : 1);
    }
    int status = 1;
    ::wait(&status);
    CPPUNIT_ASSERT_EQUAL(0, status);
    TreeMemory* ours = TreeMemory::open(path.c_str());
    MappingTable shared(ours->mapping, config_.fakeIpv4, config_.fakeIpv6);
    CPPUNIT_ASSERT_EQUAL(std::string("from.child"), shared.lookup(*IpAddress::parse("0.0.0.1")).value());
    ::munmap(ours, sizeof(TreeMemory));
    ::unlink(path.c_str());
  }

  void aFileThatOthersMayReadIsNotTrusted() {
    const std::string path = newFile();
    CPPUNIT_ASSERT(TreeMemory::create(path.c_str()));
    TreeMemory* first = TreeMemory::open(path.c_str());
    MappingTable(first->mapping, config_.fakeIpv4, config_.fakeIpv6)
        .assign("secret.example", Family::ipv4)
        .value();
    CPPUNIT_ASSERT_EQUAL(0, ::chmod(path.c_str(), 0644));
    TreeMemory* second = TreeMemory::open(path.c_str());
    CPPUNIT_ASSERT(!MappingTable(second->mapping, config_.fakeIpv4, config_.fakeIpv6)
                        .lookup(*IpAddress::parse("0.0.0.1")));
    ::munmap(first, sizeof(TreeMemory));
    ::munmap(second, sizeof(TreeMemory));
    ::unlink(path.c_str());
  }

 private:
  MappingTable table() { return {memory_->mapping, config_.fakeIpv4, config_.fakeIpv6}; }

  static std::string newFile() {
    char path[] = "/tmp/mapping-XXXXXX";
    ::close(::mkstemp(path));
    ::unlink(path);
    return path;
  }

  Config config_;
  FakeRange small_;
  TreeMemory* memory_ = nullptr;
};
CPPUNIT_TEST_SUITE_REGISTRATION(MappingTableTest);

}  // namespace
