// SPDX-License-Identifier: BSD-2-Clause
// gateway/direct_datagrams: who may answer the client.  The peers are sockets of the test, on loopback addresses.
#include "gateway/direct_datagrams.h"

#include <cppunit/extensions/HelperMacros.h>

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

class DirectDatagramsTest : public CppUnit::TestFixture, private ClientSide {
  CPPUNIT_TEST_SUITE(DirectDatagramsTest);
  CPPUNIT_TEST(aHostThatWasSentToAnswersFromAnyPort);
  CPPUNIT_TEST(anyOtherIsPermittedByAddressAndPort);
  CPPUNIT_TEST_SUITE_END();

  EventLoop loop_;
  Resolver resolver_{loop_, {}};
  DatagramCounts counts_;
  std::vector<std::string> delivered_;
  std::uint16_t permitted_ = 0;  // the port that destinations may have
  std::unique_ptr<DirectDatagrams> side_;
  Endpoint outside_;  // where answers go to

  void deliver(std::span<const OctetSpan> datagrams) override {
    for (const OctetSpan one : datagrams) delivered_.emplace_back(one.begin(), one.end());
  }
  void lost() override {}
  std::uint64_t uninvited() const { return counts_.dropped[static_cast<std::size_t>(Drop::uninvited)]; }

  void open(DatagramPeers peers) {
    const auto permit = [this](const Destination& to) {
      return to.port == permitted_ ? Result<void>() : Result<void>(Error{Failure::denied, "another port"});
    };
    const auto admit = [](const Destination&, const IpAddress&, const std::string&) { return Result<void>(); };
    side_ = std::make_unique<DirectDatagrams>(
        DatagramSetting{resolver_, Preference::ipv4Only, {}, peers, permit, admit}, counts_);
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
    permitted_ = peer.endpoint.port;
    send({peer.endpoint.address, peer.endpoint.port});
    takeAt(peer);
  }
  void takeAt(const Peer& peer) {
    sockaddr_storage from;
    socklen_t length = sizeof from;
    auto* address = reinterpret_cast<sockaddr*>(&from);
    CPPUNIT_ASSERT(recvfrom(peer.fd.get(), nullptr, 0, MSG_TRUNC, address, &length) >= 0);
    outside_ = *Endpoint::from(address, length);
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
};

CPPUNIT_TEST_SUITE_REGISTRATION(DirectDatagramsTest);

}  // namespace
}  // namespace crossgate
