// SPDX-License-Identifier: BSD-2-Clause
// lib/socks4: SOCKS4 and SOCKS4A as their specifications lay them out, at every split point.
#include "lib/socks4.h"

#include <cppunit/extensions/HelperMacros.h>

#include "t/Support.h"

namespace crossgate::socks4 {
namespace {

using test::checkRefused;
using test::decodedAtEverySplit;
using test::encoded;
using test::octets;
using test::repeated;
using test::toHex;
using test::operator+;

Request request(const Octets& message) { return decodedAtEverySplit<Request>(decodeRequest, message); }

class Socks4Test : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(Socks4Test);
  CPPUNIT_TEST(requestByAddress);
  CPPUNIT_TEST(requestByName);
  CPPUNIT_TEST(requestWithoutUser);
  CPPUNIT_TEST(onlyZeroZeroZeroXMarksAName);
  CPPUNIT_TEST(aLiteralSentAsANameIsAnAddress);
  CPPUNIT_TEST(limits);
  CPPUNIT_TEST(unknownCommandIsKept);
  CPPUNIT_TEST(refused);
  CPPUNIT_TEST(encodesWhatDstIpCannotSayAsAName);
  CPPUNIT_TEST(replies);
  CPPUNIT_TEST(replyOfAnIpv6Address);
  CPPUNIT_TEST_SUITE_END();

  void requestByAddress() {
    const Octets message = octets("04 01 00 50 42 66 07 63 'Fred' 00");
    const Request got = request(message);
    CPPUNIT_ASSERT(got.command == Command::connect);
    CPPUNIT_ASSERT_EQUAL(std::string("66.102.7.99:80"), got.destination.toString());
    CPPUNIT_ASSERT_EQUAL(std::string("Fred"), got.user);
    CPPUNIT_ASSERT_EQUAL(toHex(message), encoded(got));
  }

  void requestByName() {
    const Octets message = octets("04 02 01 bb 00 00 00 01 'u' 00 'example.org' 00");
    const Request got = request(message);
    CPPUNIT_ASSERT(got.command == Command::bind);
    CPPUNIT_ASSERT_EQUAL(std::string("example.org"), *got.destination.name());
    CPPUNIT_ASSERT_EQUAL(443, static_cast<int>(got.destination.port));
    CPPUNIT_ASSERT_EQUAL(toHex(message), encoded(got));
  }

  void requestWithoutUser() {
    const Octets plain = octets("04 01 00 50 01 02 03 04 00");
    CPPUNIT_ASSERT_EQUAL(std::string(), request(plain).user);
    CPPUNIT_ASSERT_EQUAL(toHex(plain), encoded(request(plain)));
    const Octets named = octets("04 01 00 50 00 00 00 ff 00 'a' 00");
    CPPUNIT_ASSERT_EQUAL(std::string("a"), *request(named).destination.name());
  }

  void onlyZeroZeroZeroXMarksAName() {
    for (const char* address : {"00 00 00 00", "00 00 01 01", "00 01 00 01", "01 00 00 01"}) {
      const Request got = request(octets("04 01 00 50") + octets(address) + octets("00"));
      CPPUNIT_ASSERT(got.destination.address() != nullptr);
      CPPUNIT_ASSERT_EQUAL(std::string(address), toHex(std::get<IpAddress>(got.destination.host).octets()));
    }
  }

  // RFC 3089, section 3.
  void aLiteralSentAsANameIsAnAddress() {
    const Request v6 = request(octets("04 01 00 50 00 00 00 01 00 '2001:db8::1' 00"));
    CPPUNIT_ASSERT(v6.destination.address() != nullptr);
    CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::1]:80"), v6.destination.toString());
    const Request v4 = request(octets("04 01 00 50 00 00 00 01 00 '192.0.2.1' 00"));
    CPPUNIT_ASSERT_EQUAL(std::string("c0 00 02 01"),
                         toHex(std::get<IpAddress>(v4.destination.host).octets()));
  }

  void limits() {
    const Octets longest =
        octets("04 01 00 50 00 00 00 01") + repeated(255, 'u') + octets("00") + repeated(255) + octets("00");
    const Request got = request(longest);
    CPPUNIT_ASSERT_EQUAL(std::string(255, 'u'), got.user);
    CPPUNIT_ASSERT_EQUAL(std::string(255, 'a'), *got.destination.name());
    CPPUNIT_ASSERT_EQUAL(toHex(longest), encoded(got));
    // One octet more is refused before its NUL arrives: memory stays bounded.
    checkRefused(decodeRequest, octets("04 01 00 50 01 02 03 04") + repeated(256, 'u'));
    checkRefused(decodeRequest, octets("04 01 00 50 00 00 00 01 00") + repeated(256));
    checkRefused(decodeRequest, octets("04 01 00 50 01 02 03 04") + repeated(256, 'u') + octets("00"));
  }

  void unknownCommandIsKept() {
    CPPUNIT_ASSERT(request(octets("04 f0 00 50 01 02 03 04 00")).command == Command{0xf0});
  }

  void refused() {
    checkRefused(decodeRequest, octets("05 01 00 50 01 02 03 04 00"));
    checkRefused(decodeRequest, octets("00 01 00 50 01 02 03 04 00"));
    checkRefused(decodeRequest, octets("04 01 00 50 00 00 00 01 'u' 00 00"));
  }

  void encodesWhatDstIpCannotSayAsAName() {
    const auto connectTo = [](const char* host) {
      return encoded(Request{Command::connect, Destination::of(host, 80), ""});
    };
    CPPUNIT_ASSERT_EQUAL(toHex(octets("04 01 00 50 00 00 00 01 00 '2001:db8::1' 00")),
                         connectTo("2001:db8::1"));
    CPPUNIT_ASSERT_EQUAL(toHex(octets("04 01 00 50 00 00 00 01 00 'fe80::1' 00")), connectTo("fe80::1%lo"));
    CPPUNIT_ASSERT_EQUAL(toHex(octets("04 01 00 50 00 00 00 01 00 '0.0.0.5' 00")), connectTo("0.0.0.5"));
    CPPUNIT_ASSERT_EQUAL(toHex(octets("04 01 00 50 00 00 00 00 00")), connectTo("0.0.0.0"));
    CPPUNIT_ASSERT_EQUAL(toHex(octets("04 01 00 50 c0 00 02 01 00")), connectTo("::ffff:192.0.2.1"));
    CPPUNIT_ASSERT(needsName(Destination::of("0.0.0.5", 80)) && needsName(Destination::of("::1", 80)));
    CPPUNIT_ASSERT(needsName(Destination::of("example.org", 80)));
    CPPUNIT_ASSERT(!needsName(Destination::of("0.0.0.0", 80)) &&
                   !needsName(Destination::of("::ffff:1.2.3.4", 80)));
  }

  void replies() {
    const Octets message = octets("00 5a 04 38 c0 00 02 07");
    const auto got = decodedAtEverySplit<Reply>(decodeReply, message);
    CPPUNIT_ASSERT(got.code == ReplyCode::granted);
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.7:1080"), got.bound.toString());
    CPPUNIT_ASSERT_EQUAL(toHex(message), encoded(got));
    const auto odd = decodedAtEverySplit<Reply>(decodeReply, octets("04 5b 00 00 00 00 00 00"));
    CPPUNIT_ASSERT(odd.code == ReplyCode::rejected);
    checkRefused(decodeReply, octets("05 5a 04 38 c0 00 02 07"));
  }

  void replyOfAnIpv6Address() {
    const Endpoint v6 = *Endpoint::parse("[2001:db8::1]:1080");
    CPPUNIT_ASSERT_EQUAL(std::string("00 5a 04 38 00 00 00 00"), encoded(Reply{ReplyCode::granted, v6}));
    const Endpoint mapped = *Endpoint::parse("[::ffff:192.0.2.7]:1080");
    CPPUNIT_ASSERT_EQUAL(std::string("00 5a 04 38 c0 00 02 07"), encoded(Reply{ReplyCode::granted, mapped}));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(Socks4Test);

}  // namespace
}  // namespace crossgate::socks4
