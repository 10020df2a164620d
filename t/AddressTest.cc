// SPDX-License-Identifier: BSD-2-Clause
// lib/address: texts, octets and sockaddrs of addresses, their kinds, and what a request names.
#include "lib/address.h"

#include <cppunit/extensions/HelperMacros.h>
#include <net/if.h>

#include <cstddef>
#include <cstring>

#include "lib/fd.h"
#include "t/Support.h"

namespace crossgate {
namespace {

using test::toHex;

IpAddress ip(const std::string& text) {
  const auto address = IpAddress::parse(text);
  CPPUNIT_ASSERT_MESSAGE(text, address.has_value());
  return *address;
}

std::string embedded(const std::string& text) {
  const auto address = ip(text).embeddedV4();
  return address ? address->toString() : "none";
}

class AddressTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(AddressTest);
  CPPUNIT_TEST(parsesLiterals);
  CPPUNIT_TEST(refusesWhatIsNoLiteral);
  CPPUNIT_TEST(zonesAreKept);
  CPPUNIT_TEST(knowsTheKinds);
  CPPUNIT_TEST(mapsAndUnmaps);
  CPPUNIT_TEST(findsTheEmbeddedAddress);
  CPPUNIT_TEST(withinAtEveryPrefixLength);
  CPPUNIT_TEST(withinIsOfOneFamily);
  CPPUNIT_TEST(endpointsToAndFromSockaddr);
  CPPUNIT_TEST(aSockaddrCutShortIsNone);
  CPPUNIT_TEST(aSockaddrOfRfc2133IsTaken);
  CPPUNIT_TEST(endpointTexts);
  CPPUNIT_TEST(endsOfASocket);
  CPPUNIT_TEST(destinationsOfHosts);
  CPPUNIT_TEST(destinationTexts);
  CPPUNIT_TEST(destinationErrorsSayWhy);
  CPPUNIT_TEST(namesAreComparedCanonically);
  CPPUNIT_TEST(validNames);
  CPPUNIT_TEST(ports);
  CPPUNIT_TEST_SUITE_END();

  void parsesLiterals() {
    CPPUNIT_ASSERT_EQUAL(std::string("c0 00 02 01"), toHex(ip("192.0.2.1").octets()));
    CPPUNIT_ASSERT_EQUAL(std::string("20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01"),
                         toHex(ip("2001:db8::1").octets()));
    CPPUNIT_ASSERT(ip("[2001:db8::1]") == ip("2001:db8::1"));
    CPPUNIT_ASSERT(ip("192.0.2.1").family() == Family::ipv4);
    CPPUNIT_ASSERT(ip("::").family() == Family::ipv6);
    CPPUNIT_ASSERT_EQUAL(std::string("2001:db8::1"), ip("2001:0DB8:0:0:0:0:0:1").toString());
    CPPUNIT_ASSERT_EQUAL(std::string("::ffff:192.0.2.1"), ip("::ffff:c000:201").toString());
    CPPUNIT_ASSERT(IpAddress() == ip("0.0.0.0"));
    CPPUNIT_ASSERT(IpAddress::any(Family::ipv6) == ip("::"));
    CPPUNIT_ASSERT(IpAddress::loopback(Family::ipv4) == ip("127.0.0.1"));
    CPPUNIT_ASSERT(IpAddress::loopback(Family::ipv6) == ip("::1"));
    CPPUNIT_ASSERT(ip("0.0.0.0") != ip("::"));
  }

  void refusesWhatIsNoLiteral() {
    for (const char* text : {"",
                             "1",
                             "1.2.3",
                             "1.2.3.4.5",
                             "256.1.1.1",
                             "1.2.3.4 ",
                             " 1.2.3.4",
                             "0x7f.0.0.1",
                             "[",
                             "[]",
                             "]",
                             "[1.2.3.4]",
                             "[::1",
                             "::1]",
                             "[[::1]]",
                             ":::",
                             "1::2::3",
                             "12345::",
                             "g::",
                             "::1%",
                             "fe80::1%no-such-interface",
                             "fe80::1%0",
                             "fe80::1%4294967296",
                             "1.2.3.4%lo",
                             "example.org",
                             "::1/64"}) {
      CPPUNIT_ASSERT_MESSAGE(text, !IpAddress::parse(text));
    }
    CPPUNIT_ASSERT(!IpAddress::parse(std::string("::1\0", 4)));
    CPPUNIT_ASSERT(!IpAddress::parse(std::string("127.0.0.1\0.example.org", 22)));
    CPPUNIT_ASSERT(!IpAddress::parse(std::string(4096, ':')));
    CPPUNIT_ASSERT(!IpAddress::parse("fe80::1%" + std::string(300, 'x')));
  }

  void zonesAreKept() {
    const unsigned loopback = if_nametoindex("lo");
    CPPUNIT_ASSERT(loopback != 0);
    CPPUNIT_ASSERT_EQUAL(loopback, ip("fe80::1%lo").zone());
    CPPUNIT_ASSERT_EQUAL(std::string("fe80::1%lo"), ip("fe80::1%" + std::to_string(loopback)).toString());
    CPPUNIT_ASSERT_EQUAL(std::string("fe80::1%4000000"), ip("[fe80::1%4000000]").toString());
    CPPUNIT_ASSERT(ip("fe80::1%lo") != ip("fe80::1"));
    CPPUNIT_ASSERT(ip("fe80::1%lo").withoutZone() == ip("fe80::1"));
    CPPUNIT_ASSERT(ip("192.0.2.1").withoutZone() == ip("192.0.2.1"));
  }

  void knowsTheKinds() {
    CPPUNIT_ASSERT(ip("0.0.0.0").isUnspecified() && ip("::").isUnspecified());
    CPPUNIT_ASSERT(!ip("0.0.0.1").isUnspecified() && !ip("::1").isUnspecified());
    CPPUNIT_ASSERT(ip("127.0.0.1").isLoopback() && ip("127.255.0.9").isLoopback() && ip("::1").isLoopback());
    CPPUNIT_ASSERT(!ip("128.0.0.1").isLoopback() && !ip("::2").isLoopback() && !ip("7f00::").isLoopback());
    CPPUNIT_ASSERT(ip("169.254.169.254").isLinkLocal() && ip("fe80::1").isLinkLocal() &&
                   ip("febf::").isLinkLocal());
    CPPUNIT_ASSERT(!ip("169.253.0.1").isLinkLocal() && !ip("fec0::").isLinkLocal() &&
                   !ip("fe7f::").isLinkLocal());
    CPPUNIT_ASSERT(ip("224.0.0.1").isMulticast() && ip("239.255.255.255").isMulticast() &&
                   ip("ff02::1").isMulticast());
    CPPUNIT_ASSERT(ip("255.255.255.255").isMulticast());
    CPPUNIT_ASSERT(!ip("240.0.0.1").isMulticast() && !ip("223.255.255.255").isMulticast() &&
                   !ip("fe00::").isMulticast());
  }

  void mapsAndUnmaps() {
    CPPUNIT_ASSERT(ip("::ffff:192.0.2.1").unmapped() == ip("192.0.2.1"));
    CPPUNIT_ASSERT(ip("192.0.2.1").mapped() == ip("::ffff:192.0.2.1"));
    CPPUNIT_ASSERT(ip("::fffe:192.0.2.1").unmapped() == ip("::fffe:192.0.2.1"));
    CPPUNIT_ASSERT(ip("::192.0.2.1").unmapped() == ip("::192.0.2.1"));
    CPPUNIT_ASSERT(ip("2001:db8::1").unmapped() == ip("2001:db8::1"));
    CPPUNIT_ASSERT(ip("2001:db8::1").mapped() == ip("2001:db8::1"));
    CPPUNIT_ASSERT((Endpoint{ip("::ffff:10.0.0.1"), 80}.unmapped() == Endpoint{ip("10.0.0.1"), 80}));
  }

  void findsTheEmbeddedAddress() {
    CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.1"), embedded("::ffff:127.0.0.1"));
    CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.1"), embedded("64:ff9b::7f00:1"));
    CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.1"), embedded("2002:7f00:1::"));
    CPPUNIT_ASSERT_EQUAL(std::string("169.254.169.254"), embedded("2002:a9fe:a9fe:1234::5"));
    CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.1"), embedded("::127.0.0.1"));
    CPPUNIT_ASSERT_EQUAL(std::string("none"), embedded("::1"));
    CPPUNIT_ASSERT_EQUAL(std::string("none"), embedded("::"));
    CPPUNIT_ASSERT_EQUAL(std::string("none"), embedded("2001:db8::1"));
    CPPUNIT_ASSERT_EQUAL(std::string("none"), embedded("64:ff9b:0:1::7f00:1"));
    CPPUNIT_ASSERT_EQUAL(std::string("none"), embedded("127.0.0.1"));
  }

  // An address that differs from the network in one bit is inside exactly while that bit is behind
  // the prefix.
  void withinAtEveryPrefixLength() {
    for (const char* text : {"170.85.204.51", "aaaa:5555:cccc:3333:f0f0:0f0f:1234:8765"}) {
      const IpAddress network = ip(text);
      const unsigned size = static_cast<unsigned>(network.octets().size()) * 8;
      for (unsigned flipped = 0; flipped < size; ++flipped) {
        std::array<std::uint8_t, 16> octets{};
        std::copy(network.octets().begin(), network.octets().end(), octets.begin());
        octets[flipped / 8] ^= static_cast<std::uint8_t>(0x80 >> flipped % 8);
        const IpAddress other =
            network.isV4() ? IpAddress::v4(std::span(octets).first<4>()) : IpAddress::v6(octets);
        for (unsigned bits = 0; bits <= size; ++bits) {
          CPPUNIT_ASSERT_EQUAL(bits <= flipped, other.within(network, bits));
        }
      }
      CPPUNIT_ASSERT(network.within(network, size));
    }
  }

  void withinIsOfOneFamily() {
    CPPUNIT_ASSERT(!ip("0.0.0.0").within(ip("::"), 0));
    CPPUNIT_ASSERT(!ip("::").within(ip("0.0.0.0"), 0));
  }

  void endpointsToAndFromSockaddr() {
    for (const char* text : {"192.0.2.1:80", "[2001:db8::1]:65535", "[fe80::1%lo]:1", "0.0.0.0:0"}) {
      const auto endpoint = Endpoint::parse(text);
      CPPUNIT_ASSERT_MESSAGE(text, endpoint.has_value());
      sockaddr_storage storage;
      std::memset(&storage, 0xff, sizeof storage);
      const socklen_t length = endpoint->toSockaddr(storage);
      const bool v4 = endpoint->address.isV4();
      CPPUNIT_ASSERT_EQUAL(v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6), static_cast<std::size_t>(length));
      CPPUNIT_ASSERT_EQUAL(toAf(endpoint->address.family()), static_cast<int>(storage.ss_family));
      CPPUNIT_ASSERT(Endpoint::from(reinterpret_cast<sockaddr*>(&storage), length) == endpoint);
    }
    // The port and the address stand in network byte order behind the family.
    sockaddr_storage storage;
    Endpoint{ip("192.0.2.1"), 0x1234}.toSockaddr(storage);
    const auto* raw = reinterpret_cast<const std::uint8_t*>(&storage);
    CPPUNIT_ASSERT_EQUAL(std::string("12 34 c0 00 02 01"), toHex(OctetSpan(raw + 2, 6)));
  }

  void aSockaddrCutShortIsNone() {
    sockaddr_storage storage{};
    const auto* address = reinterpret_cast<const sockaddr*>(&storage);
    CPPUNIT_ASSERT(!Endpoint::from(nullptr, sizeof storage));
    storage.ss_family = AF_INET;
    CPPUNIT_ASSERT(!Endpoint::from(address, 0));
    CPPUNIT_ASSERT(!Endpoint::from(address, 1));
    CPPUNIT_ASSERT(!Endpoint::from(address, sizeof(sockaddr_in) - 1));
    CPPUNIT_ASSERT(Endpoint::from(address, sizeof(sockaddr_in)));
    storage.ss_family = AF_INET6;
    CPPUNIT_ASSERT(!Endpoint::from(address, offsetof(sockaddr_in6, sin6_scope_id) - 1));
    CPPUNIT_ASSERT(Endpoint::from(address, sizeof(sockaddr_in6)));
    storage.ss_family = AF_UNIX;
    CPPUNIT_ASSERT(!Endpoint::from(address, sizeof storage));
    storage.ss_family = AF_UNSPEC;
    CPPUNIT_ASSERT(!Endpoint::from(address, sizeof storage));
  }

  void aSockaddrOfRfc2133IsTaken() {
    sockaddr_storage storage;
    Endpoint{ip("fe80::1%lo"), 80}.toSockaddr(storage);
    const auto endpoint = Endpoint::from(reinterpret_cast<sockaddr*>(&storage), 24);
    CPPUNIT_ASSERT((endpoint == Endpoint{ip("fe80::1"), 80}));
  }

  void endpointTexts() {
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1:80"), (Endpoint{ip("192.0.2.1"), 80}.toString()));
    CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::1]:443"), (Endpoint{ip("2001:db8::1"), 443}.toString()));
    CPPUNIT_ASSERT(!Endpoint::parse("example.org:80"));
    CPPUNIT_ASSERT(!Endpoint::parse("192.0.2.1"));
    CPPUNIT_ASSERT(!Endpoint::parse("2001:db8::1:80"));
  }

  void endsOfASocket() {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_storage storage;
    const socklen_t length = Endpoint{ip("127.0.0.1"), 0}.toSockaddr(storage);
    CPPUNIT_ASSERT_EQUAL(0, bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), length));
    const auto local = localEndpoint(socket.get());
    CPPUNIT_ASSERT(local && local->address == ip("127.0.0.1") && local->port != 0);
    CPPUNIT_ASSERT(!peerEndpoint(socket.get()));
    const socklen_t self = local->toSockaddr(storage);
    CPPUNIT_ASSERT_EQUAL(0, connect(socket.get(), reinterpret_cast<sockaddr*>(&storage), self));
    CPPUNIT_ASSERT(peerEndpoint(socket.get()) == local);
    CPPUNIT_ASSERT(!localEndpoint(-1));
  }

  // RFC 3089, section 3: a literal that travels as a name is the address it says.
  void destinationsOfHosts() {
    const Destination v6 = Destination::of("2001:db8::1", 80);
    CPPUNIT_ASSERT(v6.address() != nullptr);
    CPPUNIT_ASSERT(std::get<IpAddress>(v6.host) == ip("2001:db8::1"));
    CPPUNIT_ASSERT(v6.name() == nullptr);
    CPPUNIT_ASSERT(Destination::of("[2001:db8::1]", 80) == v6);
    CPPUNIT_ASSERT(std::get<IpAddress>(Destination::of("fe80::1%lo", 80).host).zone() ==
                   if_nametoindex("lo"));
    CPPUNIT_ASSERT(std::get<IpAddress>(Destination::of("192.0.2.1", 80).host) == ip("192.0.2.1"));
    const Destination name = Destination::of("Example.org", 80);
    CPPUNIT_ASSERT(name.address() == nullptr);
    CPPUNIT_ASSERT_EQUAL(std::string("Example.org"), *name.name());
    CPPUNIT_ASSERT(Destination::of("192.0.2", 80).name() != nullptr);
  }

  void destinationTexts() {
    for (const char* text : {"example.org:80", "192.0.2.1:0", "[2001:db8::1]:65535"}) {
      const auto destination = Destination::parse(text);
      CPPUNIT_ASSERT_MESSAGE(text, destination.has_value());
      CPPUNIT_ASSERT_EQUAL(std::string(text), destination->toString());
    }
    CPPUNIT_ASSERT_EQUAL(std::string("2001:db8::1"), Destination::parse("[2001:db8::1]:1")->hostText());
    CPPUNIT_ASSERT_EQUAL(std::string("example.org"), Destination::parse("example.org:1")->hostText());
  }

  void destinationErrorsSayWhy() {
    const auto why = [](const std::string& text) {
      const auto destination = Destination::parse(text);
      CPPUNIT_ASSERT_MESSAGE(text, !destination.has_value());
      CPPUNIT_ASSERT(destination.error().failure == Failure::invalid);
      return destination.error().detail;
    };
    const auto says = [&](const std::string& text, const std::string& part) {
      CPPUNIT_ASSERT_MESSAGE(why(text), why(text).find(part) != std::string::npos);
    };
    says("example.org", "no port");
    says("", "no port");
    says("example.org:", "0 to 65535");
    says("example.org:65536", "0 to 65535");
    says("example.org:-1", "0 to 65535");
    says("2001:db8::1:80", "brackets");
    says("[2001:db8::1]", "0 to 65535");
    says("[example.org]:80", "no IPv6 address");
    says("[::1:80", "no IPv6 address");
    says(":80", "no host");
    says(std::string(256, 'a') + ":80", "1 to 255");
    says(std::string("a\0b:80", 6), "1 to 255");
  }

  void namesAreComparedCanonically() {
    CPPUNIT_ASSERT_EQUAL(std::string("example.org"), canonicalName("EXAMPLE.Org."));
    CPPUNIT_ASSERT_EQUAL(std::string("."), canonicalName("."));
    CPPUNIT_ASSERT_EQUAL(std::string(), canonicalName(""));
    CPPUNIT_ASSERT_EQUAL(std::string("\xc3\x84@[`{z"), canonicalName("\xc3\x84@[`{Z"));
  }

  void validNames() {
    CPPUNIT_ASSERT(isValidName("a") && isValidName(std::string(255, 'a')));
    CPPUNIT_ASSERT(!isValidName("") && !isValidName(std::string(256, 'a')));
    CPPUNIT_ASSERT(!isValidName(std::string("a\0", 2)));
  }

  void ports() {
    CPPUNIT_ASSERT(parsePort("0") == 0 && parsePort("65535") == 65535 && parsePort("00080") == 80);
    for (const char* text : {"", "65536", "-1", "+1", " 1", "1 ", "0x1", "99999999999999999999"}) {
      CPPUNIT_ASSERT_MESSAGE(text, !parsePort(text));
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(AddressTest);

}  // namespace
}  // namespace crossgate
