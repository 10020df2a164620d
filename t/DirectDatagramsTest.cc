// SPDX-License-Identifier: BSD-2-Clause
// gateway/direct_datagrams: who may answer the client.  The peers are sockets of the test, on loopback addresses, and
// so is the name server.
#include "gateway/direct_datagrams.h"

#include <cppunit/extensions/HelperMacros.h>

#include <array>
#include <string>

#include "lib/socks5.h"
#include "t/Loop.h"

namespace crossgate {
namespace {

using namespace std::string_literals;

struct Peer {
  Fd fd{socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  Endpoint endpoint;
  explicit Peer(const char* address, std::uint16_t port = 0) {
    sockaddr_storage storage;
    const socklen_t length = Endpoint{*IpAddress::parse(address), port}.toSockaddr(storage);
    CPPUNIT_ASSERT(bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length) == 0);
    endpoint = *localEndpoint(fd.get());
  }
  std::string text(const std::string& payload) const {  // as it comes to the client
    Octets octets;
    encode(socks5::UdpHeader{0, {endpoint.address, endpoint.port}}, octets);
    return std::string(octets.begin(), octets.end()) + payload;
  }
};

constexpr std::chrono::milliseconds shortestLife{10};

class DirectDatagramsTest : public CppUnit::TestFixture, private ClientSide {
  CPPUNIT_TEST_SUITE(DirectDatagramsTest);
  CPPUNIT_TEST(aHostThatWasSentToAnswersFromAnyPort);
  CPPUNIT_TEST(anyOtherIsPermittedByAddressAndPort);
  CPPUNIT_TEST(theAddressesOfANameAreForgottenInTheEnd);
  CPPUNIT_TEST_SUITE_END();

  EventLoop loop_;
  Peer nameServer_{"127.0.0.1"};
  Resolver resolver_{loop_, {nameServer_.endpoint.toString()}};
  IpAddress addressOfName_;
  DatagramCounts counts_;
  std::vector<std::string> delivered_;
  std::uint16_t permitted_ = 0;  // the port that destinations may have; 0: any
  std::unique_ptr<DirectDatagrams> side_;
  Endpoint outside_;  // where answers go to

  void deliver(std::span<const OctetSpan> datagrams) override {
    for (const OctetSpan one : datagrams) delivered_.emplace_back(one.begin(), one.end());
  }
  void lost() override {}
  std::uint64_t uninvited() const { return counts_.dropped[static_cast<std::size_t>(Drop::uninvited)]; }

  void open(DatagramPeers peers, std::size_t mostRemembered = 4096) {
    const auto permit = [this](const Destination& to) {
      return permitted_ == 0 || to.port == permitted_ ? Result<void>() : Result<void>(Error{Failure::denied, "another port"});
    };
    const auto admit = [](const Destination&, const IpAddress&, const std::string&) { return Result<void>(); };
    side_ = std::make_unique<DirectDatagrams>(
        DatagramSetting{resolver_, Preference::ipv4Only, {}, peers, permit, admit, mostRemembered, shortestLife},
        counts_);
    side_->start(*this);
  }
  void send(const Destination& to) {
    Octets octets;
    encode(socks5::UdpHeader{0, to}, octets);
    const OctetSpan framed(octets);
    side_->send({&framed, 1});
  }
  // The client sends to the peer, which learns where from.
  void sendTo(const Peer& peer) {
    send({peer.endpoint.address, peer.endpoint.port});
    CPPUNIT_ASSERT(hasGot(peer, 0));
  }
  bool hasGot(const Peer& peer, int flags) {
    sockaddr_storage from;
    socklen_t length = sizeof from;
    auto* address = reinterpret_cast<sockaddr*>(&from);
    if (recvfrom(peer.fd.get(), nullptr, 0, flags, address, &length) < 0) return false;
    outside_ = *Endpoint::from(address, length);
    return true;
  }
  // The same by a name that has the peer's address now, and will soon have forgotten the one that it had before.
  void sendByName(const Peer& peer) {
    addressOfName_ = peer.endpoint.address;
    Event tick(
        loop_, -1, 0, [](int, short, void*) noexcept {}, nullptr);
    const Deadline patience = in(std::chrono::seconds(10));
    while (!hasGot(peer, MSG_DONTWAIT)) {
      CPPUNIT_ASSERT_MESSAGE("nothing arrives", Clock::now() < patience);
      send({"peer.example"s, peer.endpoint.port});
      answerQueries();
      tick.addUntil(in(shortestLife));
      loop_.turn();
    }
  }
  // RFC 1035, section 4.1: the question is repeated, and its name pointed to.  The time to live is zero.
  void answerQueries() const {
    std::array<char, 512> room;
    sockaddr_storage from;
    socklen_t length = sizeof from;
    auto* address = reinterpret_cast<sockaddr*>(&from);
    ssize_t size;
    while ((size = recvfrom(nameServer_.fd.get(), room.data(), room.size(), MSG_DONTWAIT, address, &length)) > 0) {
      const std::string query(room.data(), static_cast<std::size_t>(size));
      const std::string question = query.substr(12, query.find('\0', 12) + 5 - 12);
      const OctetSpan octets = addressOfName_.octets();
      const std::string answer = query.substr(0, 2) + "\x81\x80\0\1\0\1\0\0\0\0"s + question +
                                 "\xc0\x0c\0\1\0\1\0\0\0\0\0\4"s + std::string(octets.begin(), octets.end());
      CPPUNIT_ASSERT(sendto(nameServer_.fd.get(), answer.data(), answer.size(), 0, address, length) > 0);
    }
  }
  // Does what the peer sends reach the client?
  bool isHeard(const Peer& peer) {
    delivered_.clear();
    sockaddr_storage storage;
    const socklen_t length = outside_.toSockaddr(storage);
    CPPUNIT_ASSERT(sendto(peer.fd.get(), "hello", 5, 0, reinterpret_cast<sockaddr*>(&storage), length) == 5);
    const std::uint64_t before = uninvited();
    while (delivered_.empty() && uninvited() == before) loop_.turn();
    return delivered_ == std::vector{peer.text("hello")};
  }

 public:
  void aHostThatWasSentToAnswersFromAnyPort() {
    for (const DatagramPeers peers : {DatagramPeers::contacted, DatagramPeers::any}) {
      open(peers);
      const Peer one("127.0.0.2"), samePlace("127.0.0.2"), other("127.0.0.3");
      permitted_ = one.endpoint.port;
      sendTo(one);
      CPPUNIT_ASSERT(isHeard(one));
      CPPUNIT_ASSERT(isHeard(samePlace));
      CPPUNIT_ASSERT(!isHeard(other));
    }
  }

  void anyOtherIsPermittedByAddressAndPort() {
    open(DatagramPeers::any);
    const Peer one("127.0.0.2"), permitted("127.0.0.3"), refused("127.0.0.3");
    sendTo(one);
    permitted_ = permitted.endpoint.port;
    for (const char* round : {"first", "once more"}) {
      CPPUNIT_ASSERT_MESSAGE(round, !isHeard(refused));
      CPPUNIT_ASSERT_MESSAGE(round, isHeard(permitted));
    }
  }

  // Which the name was found to have, one after the other.  No known destination loses its answers by that.
  void theAddressesOfANameAreForgottenInTheEnd() {
    constexpr std::size_t most = 4;
    open(DatagramPeers::contacted, most);
    const Peer fixed("127.0.0.2"), first("127.0.1.1");
    sendTo(fixed);
    sendByName(first);
    CPPUNIT_ASSERT(isHeard(first));
    for (const char* next : {"127.0.1.2", "127.0.1.3", "127.0.1.4", "127.0.1.5"}) {
      const Peer other(next, first.endpoint.port);
      sendByName(other);
      CPPUNIT_ASSERT(isHeard(other));
      sendTo(fixed);
      CPPUNIT_ASSERT(isHeard(fixed));
    }
    CPPUNIT_ASSERT(!isHeard(first));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DirectDatagramsTest);

}  // namespace
}  // namespace crossgate
