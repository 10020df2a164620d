// SPDX-License-Identifier: BSD-2-Clause
// gateway/local_socket: ports out of a range, each given once.
#include "gateway/local_socket.h"

#include <cppunit/extensions/HelperMacros.h>

#include <set>
#include <vector>

namespace crossgate {
namespace {

class LocalSocketTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LocalSocketTest);
  CPPUNIT_TEST(rangesAreRead);
  CPPUNIT_TEST(mistakesAreNoRanges);
  CPPUNIT_TEST(eachPortOfTheRangeIsGivenOnce);
  CPPUNIT_TEST(withoutARangeTheKernelChooses);
  CPPUNIT_TEST_SUITE_END();

 public:
  void rangesAreRead() {
    const auto range = PortRange::parse("40000-40999");
    CPPUNIT_ASSERT(range.has_value());
    CPPUNIT_ASSERT_EQUAL(std::uint16_t{40000}, range->low);
    CPPUNIT_ASSERT_EQUAL(std::uint16_t{40999}, range->high);
    CPPUNIT_ASSERT_EQUAL(std::uint16_t{65535}, PortRange::parse("65535")->high);
  }
  void mistakesAreNoRanges() {
    for (const char* text : {"", "0", "0-10", "2-1", "1-", "-1", "1-65536", "a-b", "1-2-3", "1 - 2"}) {
      CPPUNIT_ASSERT_MESSAGE(text, !PortRange::parse(text));
    }
  }
  void eachPortOfTheRangeIsGivenOnce() {
    const IpAddress here = IpAddress::loopback(Family::ipv4);
    // A range that is free: four ports from one that the kernel found free.
    const auto first = localEndpoint(openDatagramSocket(here, {})->get())->port;
    const PortRange range{static_cast<std::uint16_t>(std::min<unsigned>(first, 65532)),
                          static_cast<std::uint16_t>(std::min<unsigned>(first, 65532) + 3)};
    std::vector<Fd> held;
    std::set<std::uint16_t> ports;
    for (int i = 0; i < 4; ++i) {
      auto fd = openDatagramSocket(here, range);
      if (!fd) break;  // another process has one of them
      ports.insert(localEndpoint(fd->get())->port);
      held.push_back(*std::move(fd));
    }
    CPPUNIT_ASSERT(!held.empty());
    CPPUNIT_ASSERT_EQUAL(held.size(), ports.size());
    CPPUNIT_ASSERT(*ports.begin() >= range.low && *ports.rbegin() <= range.high);
    const auto none = openDatagramSocket(here, range);
    CPPUNIT_ASSERT(!none.has_value());
    CPPUNIT_ASSERT(none.error().failure == Failure::exhausted);
  }
  void withoutARangeTheKernelChooses() {
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      const auto fd = listenAt(IpAddress::loopback(family), {});
      CPPUNIT_ASSERT(fd.has_value());
      CPPUNIT_ASSERT(localEndpoint(fd->get())->port != 0);
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LocalSocketTest);

}  // namespace
}  // namespace crossgate
