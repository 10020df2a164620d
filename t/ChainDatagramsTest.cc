// SPDX-License-Identifier: BSD-2-Clause
// gateway/chain_datagrams: what each hop of a chain gets to see of a datagram, and what is left of one that comes
// back.  The first hop is played by the test; t/e2e/chain.sh and gssapi.sh have real ones.
#include "gateway/chain_datagrams.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

#include "lib/socks5.h"
#include "t/Loop.h"

namespace crossgate {
namespace {

using namespace std::string_literals;

OctetSpan octets(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string text(OctetSpan octets) { return {octets.begin(), octets.end()}; }

std::string framed(const std::string& host, std::uint16_t port, const std::string& payload) {
  Octets header;
  encode(socks5::UdpHeader{0, Destination::of(host, port)}, header);
  return text(header) + payload;
}

// Seals visibly.
class Brackets final : public DatagramCipher {
 public:
  Result<Octets> wrap(OctetSpan datagram) override {
    const std::string sealed = "<" + text(datagram) + ">";
    return Octets(sealed.begin(), sealed.end());
  }
  Result<Octets> unwrap(OctetSpan datagram) override {
    if (datagram.empty() || datagram.front() != '<' || datagram.back() != '>') return malformed("not sealed");
    return Octets(datagram.begin() + 1, datagram.end() - 1);
  }
};

class ChainDatagramsTest : public CppUnit::TestFixture, private ClientSide {
  CPPUNIT_TEST_SUITE(ChainDatagramsTest);
  CPPUNIT_TEST(eachHopIsNamedToTheOneBeforeIt);
  CPPUNIT_TEST(eachSealIsInsideTheOnesBeforeIt);
  CPPUNIT_TEST(aPlainHopBehindOneThatSeals);
  CPPUNIT_TEST(whatIsNotSealedIsDropped);
  CPPUNIT_TEST(onlyTheNextHopGetsAnythingThroughTheOneBeforeIt);
  CPPUNIT_TEST(ofAHopAtANameThePortCounts);
  CPPUNIT_TEST_SUITE_END();

  EventLoop loop_;
  Brackets brackets_;
  DatagramCounts counts_;
  std::vector<std::string> delivered_;
  Fd hop_, peers_[2];
  Endpoint place_;

  void deliver(std::span<const OctetSpan> datagrams) override {
    for (const OctetSpan one : datagrams) delivered_.push_back(text(one));
  }
  void lost() override {}
  std::uint64_t dropped(Drop why) const { return counts_.dropped[static_cast<std::size_t>(why)]; }
  std::uint64_t settled() const { return delivered_.size() + dropped(Drop::malformed) + dropped(Drop::uninvited); }

  // Two hops; the second one takes datagrams at 192.0.2.2:2222, or at `host`:2222.
  std::unique_ptr<ChainDatagrams> chain(DatagramCipher* first, DatagramCipher* second,
                                        const std::string& host = "192.0.2.2") {
    std::vector<ChainDatagrams::Held> held;
    const auto hold = [&](std::size_t at, Destination place, DatagramCipher* cipher) {
      auto pair = test::tcpPair();
      peers_[at] = std::move(pair.first);
      held.push_back({std::make_unique<PlainStream>(loop_, std::move(pair.second)), std::move(place), cipher});
    };
    hold(0, Destination{place_.address, place_.port}, first);
    hold(1, Destination::of(host, 2222), second);
    auto opened = ChainDatagrams::open(loop_, std::move(held), {}, [](const Destination&) { return Result<void>(); }, counts_);
    CPPUNIT_ASSERT(opened);
    (*opened)->start(*this);
    return *std::move(opened);
  }

  // What the first hop gets when the client sends; it then answers.
  std::string exchange(ChainDatagrams& chain, const std::string& sent, const std::string& answer) {
    const OctetSpan one = octets(sent);
    chain.send({&one, 1});
    char room[2000];
    sockaddr_storage from;
    socklen_t length = sizeof from;
    auto* address = reinterpret_cast<sockaddr*>(&from);
    const ssize_t size = recvfrom(hop_.get(), room, sizeof room, 0, address, &length);
    CPPUNIT_ASSERT(size >= 0);
    CPPUNIT_ASSERT(sendto(hop_.get(), answer.data(), answer.size(), 0, address, length) >= 0);
    const Deadline patience = in(std::chrono::seconds(5));
    for (const std::uint64_t before = settled(); settled() == before && Clock::now() < patience;) loop_.turn();
    return {room, static_cast<std::size_t>(size)};
  }

 public:
  void setUp() override {
    hop_ = Fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_storage storage;
    const socklen_t length = Endpoint{IpAddress::loopback(Family::ipv4), 0}.toSockaddr(storage);
    CPPUNIT_ASSERT(bind(hop_.get(), reinterpret_cast<sockaddr*>(&storage), length) == 0);
    place_ = *localEndpoint(hop_.get());
  }

  const std::string question_ = framed("198.51.100.7", 7, "question");
  const std::string answer_ = framed("198.51.100.7", 7, "answer");

  void eachHopIsNamedToTheOneBeforeIt() {
    const auto two = chain(nullptr, nullptr);
    CPPUNIT_ASSERT_EQUAL(framed("192.0.2.2", 2222, question_),
                         exchange(*two, question_, framed("192.0.2.2", 2222, answer_)));
    CPPUNIT_ASSERT(delivered_ == std::vector{answer_});
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{8}, counts_.octetsSent);
  }

  void eachSealIsInsideTheOnesBeforeIt() {
    const auto two = chain(&brackets_, &brackets_);
    const std::string seen = exchange(*two, question_, "<" + framed("192.0.2.2", 2222, "<" + answer_ + ">") + ">");
    CPPUNIT_ASSERT_EQUAL("<" + framed("192.0.2.2", 2222, "<" + question_ + ">") + ">", seen);
    CPPUNIT_ASSERT(delivered_ == std::vector{answer_});
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{8}, counts_.octetsSent);
  }

  void aPlainHopBehindOneThatSeals() {
    const auto two = chain(&brackets_, nullptr);
    const std::string seen = exchange(*two, question_, "<" + framed("192.0.2.2", 2222, answer_) + ">");
    CPPUNIT_ASSERT_EQUAL("<" + framed("192.0.2.2", 2222, question_) + ">", seen);
    CPPUNIT_ASSERT(delivered_ == std::vector{answer_});
  }

  void whatIsNotSealedIsDropped() {
    const auto two = chain(&brackets_, &brackets_);
    exchange(*two, question_, "<" + framed("192.0.2.2", 2222, answer_) + ">");
    CPPUNIT_ASSERT(delivered_.empty());
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, dropped(Drop::malformed));
  }

  // What others send to the first hop is as little from a destination as what others send here.
  void onlyTheNextHopGetsAnythingThroughTheOneBeforeIt() {
    const auto two = chain(nullptr, nullptr);
    const auto answered = [&](const std::string& sender, std::uint16_t port) {
      delivered_.clear();
      exchange(*two, question_, framed(sender, port, answer_));
      return delivered_ == std::vector{answer_};
    };
    CPPUNIT_ASSERT(!answered("192.0.2.66", 2222));
    CPPUNIT_ASSERT(!answered("192.0.2.2", 2223));
    CPPUNIT_ASSERT(!answered("2001:db8::2", 2222));
    CPPUNIT_ASSERT(!answered("second.example", 2222));
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, dropped(Drop::uninvited));
    CPPUNIT_ASSERT(answered("192.0.2.2", 2222));
    CPPUNIT_ASSERT(answered("::ffff:192.0.2.2", 2222));
  }

  void ofAHopAtANameThePortCounts() {
    const auto two = chain(nullptr, nullptr, "second.example");
    exchange(*two, question_, framed("192.0.2.2", 2223, answer_));
    CPPUNIT_ASSERT(delivered_.empty());
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, dropped(Drop::uninvited));
    exchange(*two, question_, framed("192.0.2.2", 2222, answer_));
    CPPUNIT_ASSERT(delivered_ == std::vector{answer_});
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ChainDatagramsTest);

}  // namespace
}  // namespace crossgate
