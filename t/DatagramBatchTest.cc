// SPDX-License-Identifier: BSD-2-Clause
// gateway/datagram_batch: what is added arrives as it was added, however it travels.
#include "gateway/datagram_batch.h"

#include <cppunit/extensions/HelperMacros.h>
#include <netinet/udp.h>

#include <list>
#include <string>
#include <vector>

#include "lib/fd.h"
#include "t/Support.h"

namespace crossgate {
namespace {

struct Place {
  Fd fd{socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  Endpoint endpoint;
  Place() {
    sockaddr_storage storage;
    const socklen_t length = Endpoint{IpAddress::loopback(Family::ipv4), 0}.toSockaddr(storage);
    CPPUNIT_ASSERT(bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length) == 0);
    endpoint = *localEndpoint(fd.get());
  }
  std::vector<std::string> arrived() const {
    std::vector<std::string> all;
    std::vector<char> room(maxDatagram);
    for (ssize_t size; (size = recv(fd.get(), room.data(), room.size(), 0)) >= 0;)
      all.emplace_back(room.data(), static_cast<std::size_t>(size));
    return all;
  }
};

class DatagramBatchTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(DatagramBatchTest);
  CPPUNIT_TEST(datagramsKeepTheirBounds);
  CPPUNIT_TEST(receiversKeepApart);
  CPPUNIT_TEST(whereSegmentsAreRefusedEachGoesAlone);
  CPPUNIT_TEST(aReceiverThatIsRefusedIsNoVerdictOnSegments);
  CPPUNIT_TEST(oneThatIsTooLargeHurtsNoOther);
  CPPUNIT_TEST(headersAreNoPayload);
  CPPUNIT_TEST_SUITE_END();

  SendBatch batch_;
  std::list<std::string> kept_;  // until it is sent
  Place from_, to_;

  void add(std::string added, const Place& to, std::size_t headerSize = 0) {
    const std::string& text = kept_.emplace_back(std::move(added));
    batch_.add({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, to.endpoint, headerSize);
  }
  void expectWhole(const std::vector<std::string>& sent) {
    for (const std::string& text : sent) add(text, to_);
    const auto outcome = batch_.flush(from_.fd.get());
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{sent.size()}, outcome.sent);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, outcome.unsent + outcome.oversized);
    CPPUNIT_ASSERT(batch_.empty());
    CPPUNIT_ASSERT(sent == to_.arrived());
  }

 public:
  // Runs of one size, a shorter one at the end of a run, empty ones, a longer one behind a shorter.
  void datagramsKeepTheirBounds() {
    const std::string large(1200, 'l'), huge(9000, 'h');
    expectWhole({"aaaa", "bbbb", "cccc", "dd", "eeee", "ffff", "", "", "gggg", large, large, "h", huge, huge, "iiii"});
  }
  void receiversKeepApart() {
    const Place other;
    for (const char* text : {"1111", "2222", "3333"}) {
      add(text, to_);
      add(text, other);
    }
    add("4444", other);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, batch_.flush(from_.fd.get()).sent);
    CPPUNIT_ASSERT((std::vector<std::string>{"1111", "2222", "3333"}) == to_.arrived());
    CPPUNIT_ASSERT((std::vector<std::string>{"1111", "2222", "3333", "4444"}) == other.arrived());
  }
  // The kernel leaves no segments without checksums.
  void whereSegmentsAreRefusedEachGoesAlone() {
    const int yes = 1;
    CPPUNIT_ASSERT(setsockopt(from_.fd.get(), SOL_SOCKET, SO_NO_CHECK, &yes, sizeof yes) == 0);
    expectWhole({"x", "aaaa", "bbbb", "cccc", "dd"});
    expectWhole({"eeee", "ffff"});
  }
  // With UDP_GRO (Linux 5.0) a receiver sees what has travelled together.
  void aReceiverThatIsRefusedIsNoVerdictOnSegments() {
    const int yes = 1;
    if (setsockopt(to_.fd.get(), SOL_UDP, UDP_GRO, &yes, sizeof yes) != 0) return;
    Place nowhere;
    nowhere.endpoint.port = 0;
    add("aaaa", nowhere);
    add("bbbb", nowhere);
    add("cccc", to_);
    add("dddd", to_);
    auto outcome = batch_.flush(from_.fd.get());
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, outcome.unsent);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, outcome.sent);
    add("eeee", to_);
    add("ffff", to_);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, batch_.flush(from_.fd.get()).sent);
    CPPUNIT_ASSERT((std::vector<std::string>{"ccccdddd", "eeeeffff"}) == to_.arrived());
  }
  void oneThatIsTooLargeHurtsNoOther() {
    const std::string tooLarge(65530, 'x');
    add(tooLarge, to_);
    add(tooLarge, to_);
    add("aaaa", to_);
    add("bbbb", to_);
    const auto outcome = batch_.flush(from_.fd.get());
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, outcome.oversized);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, outcome.sent);
    CPPUNIT_ASSERT((std::vector<std::string>{"aaaa", "bbbb"}) == to_.arrived());
  }
  void headersAreNoPayload() {
    add("headaaaa", to_, 4);
    add("headbbbb", to_, 4);
    add("hbb", to_, 1);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{10}, batch_.flush(from_.fd.get()).octets);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DatagramBatchTest);

}  // namespace
}  // namespace crossgate
