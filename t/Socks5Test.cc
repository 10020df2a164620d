// SPDX-License-Identifier: BSD-2-Clause
// lib/socks5: every message as RFC 1928, 1929 and 1961 lay it out, at every split point.
#include "lib/socks5.h"

#include <cppunit/extensions/HelperMacros.h>

#include "t/Support.h"

namespace crossgate::socks5 {
namespace {

using test::checkRefused;
using test::decodedAtEverySplit;
using test::encoded;
using test::octets;
using test::repeated;
using test::toHex;
using test::operator+;

Request request(const Octets& message) { return decodedAtEverySplit<Request>(decodeRequest, message); }
Reply reply(const Octets& message) { return decodedAtEverySplit<Reply>(decodeReply, message); }

Result<UdpHeader> udpHeader(const Octets& datagram, std::size_t* taken = nullptr) {
  Reader reader(datagram);
  auto header = decodeUdpHeader(reader);
  if (taken != nullptr) *taken = reader.position();
  return header;
}

class Socks5Test : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(Socks5Test);
  CPPUNIT_TEST(greeting);
  CPPUNIT_TEST(greetingWith255Methods);
  CPPUNIT_TEST(greetingRefused);
  CPPUNIT_TEST(methodSelection);
  CPPUNIT_TEST(credentials);
  CPPUNIT_TEST(credentialsAtTheirLimits);
  CPPUNIT_TEST(credentialsRefused);
  CPPUNIT_TEST(credentialsStatus);
  CPPUNIT_TEST(requestByIpv4);
  CPPUNIT_TEST(requestByIpv6);
  CPPUNIT_TEST(requestByName);
  CPPUNIT_TEST(requestByLiteralAsName);
  CPPUNIT_TEST(requestByTheLongestName);
  CPPUNIT_TEST(requestKeepsAnUnknownCommand);
  CPPUNIT_TEST(requestIgnoresTheReservedOctet);
  CPPUNIT_TEST(requestRefused);
  CPPUNIT_TEST(requestOfUnknownAddressType);
  CPPUNIT_TEST(replies);
  CPPUNIT_TEST(replyRefused);
  CPPUNIT_TEST(udpHeaders);
  CPPUNIT_TEST(udpHeaderFragments);
  CPPUNIT_TEST(udpHeaderRefused);
  CPPUNIT_TEST(gssFrames);
  CPPUNIT_TEST(gssFrameOf65535Octets);
  CPPUNIT_TEST(gssFrameRefused);
  CPPUNIT_TEST(failuresAndReplyCodes);
  CPPUNIT_TEST(gatewaysPassed);
  CPPUNIT_TEST(methodNames);
  CPPUNIT_TEST_SUITE_END();

  void greeting() {
    const Octets message = octets("05 03 00 01 02");
    const Greeting got = decodedAtEverySplit<Greeting>(decodeGreeting, message);
    CPPUNIT_ASSERT((got.methods == std::vector{Method::none, Method::gssapi, Method::userpass}));
    CPPUNIT_ASSERT_EQUAL(std::string("05 03 00 01 02"), encoded(got));
    CPPUNIT_ASSERT_EQUAL(std::string("05 01 02"), encoded(Greeting{{Method::userpass}}));
  }

  void greetingWith255Methods() {
    const Octets message = octets("05 ff") + repeated(255, 0x80);
    const Greeting got = decodedAtEverySplit<Greeting>(decodeGreeting, message);
    CPPUNIT_ASSERT_EQUAL(std::size_t{255}, got.methods.size());
    CPPUNIT_ASSERT(got.methods.back() == Method{0x80});
    CPPUNIT_ASSERT_EQUAL(toHex(message), encoded(got));
  }

  void greetingRefused() {
    checkRefused(decodeGreeting, octets("04 01 00"));
    checkRefused(decodeGreeting, octets("'GET / HTTP/1.1'"));
    checkRefused(decodeGreeting, octets("05 00"));
  }

  void methodSelection() {
    const auto got = decodedAtEverySplit<MethodSelection>(decodeMethodSelection, octets("05 02"));
    CPPUNIT_ASSERT(got.method == Method::userpass);
    CPPUNIT_ASSERT_EQUAL(std::string("05 ff"), encoded(MethodSelection{Method::noAcceptable}));
    checkRefused(decodeMethodSelection, octets("00 5a"));
    checkRefused(decodeMethodSelection, octets("01 00"));
  }

  void credentials() {
    const Octets message = octets("01 05 'alice' 06 'secret'");
    const auto got = decodedAtEverySplit<Credentials>(decodeCredentials, message);
    CPPUNIT_ASSERT_EQUAL(std::string("alice"), got.user);
    CPPUNIT_ASSERT_EQUAL(std::string("secret"), got.password);
    CPPUNIT_ASSERT_EQUAL(toHex(message), encoded(got));
  }

  void credentialsAtTheirLimits() {
    const Octets longest = octets("01 ff") + repeated(255, 'u') + octets("ff") + repeated(255, 'p');
    const auto got = decodedAtEverySplit<Credentials>(decodeCredentials, longest);
    CPPUNIT_ASSERT_EQUAL(std::string(255, 'u'), got.user);
    CPPUNIT_ASSERT_EQUAL(std::string(255, 'p'), got.password);
    CPPUNIT_ASSERT_EQUAL(toHex(longest), encoded(got));
    const auto bare = decodedAtEverySplit<Credentials>(decodeCredentials, octets("01 01 'u' 00"));
    CPPUNIT_ASSERT_EQUAL(std::string(), bare.password);
    const auto withNul =
        decodedAtEverySplit<Credentials>(decodeCredentials, octets("01 03 'a' 00 'b' 02 00 00"));
    CPPUNIT_ASSERT_EQUAL(std::string("a\0b", 3), withNul.user);
    CPPUNIT_ASSERT_EQUAL(std::string("\0\0", 2), withNul.password);
  }

  void credentialsRefused() {
    checkRefused(decodeCredentials, octets("05 01 'u' 01 'p'"));
    checkRefused(decodeCredentials, octets("00 01 'u' 01 'p'"));
    checkRefused(decodeCredentials, octets("01 00 01 'p'"));
  }

  void credentialsStatus() {
    const auto good = decodedAtEverySplit<CredentialsStatus>(decodeCredentialsStatus, octets("01 00"));
    CPPUNIT_ASSERT_EQUAL(0, static_cast<int>(good.status));
    const auto bad = decodedAtEverySplit<CredentialsStatus>(decodeCredentialsStatus, octets("01 ff"));
    CPPUNIT_ASSERT_EQUAL(0xff, static_cast<int>(bad.status));
    const auto odd = decodedAtEverySplit<CredentialsStatus>(decodeCredentialsStatus, octets("05 00"));
    CPPUNIT_ASSERT_EQUAL(0, static_cast<int>(odd.status));
    CPPUNIT_ASSERT_EQUAL(std::string("01 01"), encoded(CredentialsStatus{1}));
    checkRefused(decodeCredentialsStatus, octets("00 00"));
  }

  void requestByIpv4() {
    const Octets message = octets("05 01 00 01 c0 00 02 07 01 bb");
    const Request got = request(message);
    CPPUNIT_ASSERT(got.command == Command::connect);
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.7:443"), got.destination.toString());
    CPPUNIT_ASSERT(got.destination.address() != nullptr);
    CPPUNIT_ASSERT_EQUAL(toHex(message), encoded(got));
  }

  void requestByIpv6() {
    const Octets message = octets("05 02 00 04 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 00 50");
    const Request got = request(message);
    CPPUNIT_ASSERT(got.command == Command::bind);
    CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::1]:80"), got.destination.toString());
    CPPUNIT_ASSERT_EQUAL(toHex(message), encoded(got));
  }

  void requestByName() {
    const Octets message = octets("05 03 00 03 0b 'example.org' ff ff");
    const Request got = request(message);
    CPPUNIT_ASSERT(got.command == Command::udpAssociate);
    CPPUNIT_ASSERT(got.destination.name() != nullptr);
    CPPUNIT_ASSERT_EQUAL(std::string("example.org:65535"), got.destination.toString());
    CPPUNIT_ASSERT_EQUAL(toHex(message), encoded(got));
  }

  // RFC 3089, section 3.
  void requestByLiteralAsName() {
    const Request v6 = request(octets("05 01 00 03 0b '2001:db8::1' 00 50"));
    CPPUNIT_ASSERT(v6.destination.address() != nullptr);
    CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::1]:80"), v6.destination.toString());
    const Request v4 = request(octets("05 01 00 03 09 '192.0.2.1' 00 50"));
    CPPUNIT_ASSERT(v4.destination.address() != nullptr);
  }

  void requestByTheLongestName() {
    const Octets longest = octets("05 01 00 03 ff") + repeated(255) + octets("00 50");
    const Request got = request(longest);
    CPPUNIT_ASSERT_EQUAL(std::string(255, 'a'), *got.destination.name());
    CPPUNIT_ASSERT_EQUAL(toHex(longest), encoded(got));
    CPPUNIT_ASSERT_EQUAL(std::string("a"), *request(octets("05 01 00 03 01 'a' 00 50")).destination.name());
  }

  void requestKeepsAnUnknownCommand() {
    CPPUNIT_ASSERT(request(octets("05 63 00 01 01 02 03 04 00 50")).command == Command{0x63});
    CPPUNIT_ASSERT(request(octets("05 f0 00 03 01 'a' 00 00")).command == Command::resolve);
    CPPUNIT_ASSERT(request(octets("05 f1 00 01 01 02 03 04 00 00")).command == Command::resolvePtr);
  }

  void requestIgnoresTheReservedOctet() {
    CPPUNIT_ASSERT(request(octets("05 01 ff 01 01 02 03 04 00 50")).command == Command::connect);
  }

  void requestRefused() {
    checkRefused(decodeRequest, octets("04 01 00 01 01 02 03 04 00 50"));
    checkRefused(decodeRequest, octets("05 01 00 03 00 00 50"));
    checkRefused(decodeRequest, octets("05 01 00 03 03 'a' 00 'b' 00 50"));
    // The NUL trick: what a C string would read as 127.0.0.1.
    checkRefused(decodeRequest, octets("05 01 00 03 0d '127.0.0.1' 00 'abc' 00 50"));
  }

  void requestOfUnknownAddressType() {
    for (const char* type : {"00", "02", "05", "ff"}) {
      checkRefused(decodeRequest, octets("05 01 00") + octets(type) + octets("01 02 03 04 00 50"),
                   Failure::unsupportedAddress);
    }
  }

  void replies() {
    const Octets v4 = octets("05 00 00 01 c0 00 02 07 04 38");
    CPPUNIT_ASSERT(reply(v4).code == ReplyCode::succeeded);
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.7:1080"), reply(v4).bound.toString());
    CPPUNIT_ASSERT_EQUAL(toHex(v4), encoded(reply(v4)));
    const Octets v6 = octets("05 05 00 04 fe 80 00 00 00 00 00 00 00 00 00 00 00 00 00 09 00 00");
    CPPUNIT_ASSERT(reply(v6).code == ReplyCode::connectionRefused);
    CPPUNIT_ASSERT_EQUAL(toHex(v6), encoded(reply(v6)));
    const Octets name = octets("05 00 00 03 0b 'example.org' 00 00");
    CPPUNIT_ASSERT_EQUAL(std::string("example.org"), *reply(name).bound.name());
    CPPUNIT_ASSERT_EQUAL(toHex(name), encoded(reply(name)));
    CPPUNIT_ASSERT(reply(octets("05 91 00 01 00 00 00 00 00 00")).code == ReplyCode{0x91});
    CPPUNIT_ASSERT_EQUAL(std::string("05 01 00 01 00 00 00 00 00 00"), encoded(Reply{}));
  }

  void replyRefused() {
    checkRefused(decodeReply, octets("00 5a 00 50 01 02 03 04"));
    checkRefused(decodeReply, octets("05 00 00 00 00 00 00 00 00 00"), Failure::unsupportedAddress);
    checkRefused(decodeReply, octets("05 00 00 03 00 00 00"));
  }

  void udpHeaders() {
    std::size_t taken = 0;
    const auto v4 = udpHeader(octets("00 00 00 01 c0 00 02 07 00 35 'payload'"), &taken);
    CPPUNIT_ASSERT(v4 && v4->fragment == 0);
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.7:53"), v4->destination.toString());
    CPPUNIT_ASSERT_EQUAL(std::size_t{10}, taken);
    CPPUNIT_ASSERT_EQUAL(std::size_t{10}, encodedSize(*v4));
    CPPUNIT_ASSERT_EQUAL(std::string("00 00 00 01 c0 00 02 07 00 35"), encoded(*v4));

    const auto name = udpHeader(octets("00 00 00 03 0b 'example.org' 00 35"), &taken);
    CPPUNIT_ASSERT_EQUAL(std::string("example.org:53"), name->destination.toString());
    CPPUNIT_ASSERT_EQUAL(std::size_t{18}, taken);
    CPPUNIT_ASSERT_EQUAL(std::size_t{18}, encodedSize(*name));

    const auto v6 =
        udpHeader(octets("00 00 00 04 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 00 35 ff"), &taken);
    CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::1]:53"), v6->destination.toString());
    CPPUNIT_ASSERT_EQUAL(std::size_t{22}, taken);
    CPPUNIT_ASSERT_EQUAL(std::size_t{22}, encodedSize(*v6));
  }

  void udpHeaderFragments() {
    for (const int fragment : {1, 0x7f, 0x80, 0x81, 0xff}) {
      Octets datagram = octets("00 00 00 01 01 02 03 04 00 35");
      datagram[2] = static_cast<std::uint8_t>(fragment);
      const auto header = udpHeader(datagram);
      CPPUNIT_ASSERT(header && header->fragment == fragment);
      CPPUNIT_ASSERT_EQUAL(toHex(datagram), encoded(*header));
    }
  }

  void udpHeaderRefused() {
    const auto refused = [](const Octets& datagram, Failure failure = Failure::malformed) {
      std::size_t taken = 1;
      const auto header = udpHeader(datagram, &taken);
      CPPUNIT_ASSERT_MESSAGE(toHex(datagram), !header && taken == 0);
      CPPUNIT_ASSERT_EQUAL(std::string(toString(failure)), std::string(toString(header.error().failure)));
    };
    const Octets whole = octets("00 00 00 03 0b 'example.org' 00 35");
    for (std::size_t size = 0; size < whole.size(); ++size)
      refused(Octets(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    refused(octets("00 01 00 01 01 02 03 04 00 35"));
    refused(octets("01 00 00 01 01 02 03 04 00 35"));
    refused(octets("00 00 00 03 00 00 35"));
    refused(octets("00 00 00 03 01 00 00 35"));
    refused(octets("00 00 00 02 01 02 03 04 00 35"), Failure::unsupportedAddress);
  }

  void gssFrames() {
    const auto frame = [](const char* text) {
      return decodedAtEverySplit<GssFrame>(decodeGssFrame, octets(text));
    };
    const GssFrame token = frame("01 01 00 03 'abc'");
    CPPUNIT_ASSERT(token.type == GssMessage::token);
    CPPUNIT_ASSERT_EQUAL(std::string("61 62 63"), toHex(token.token));
    CPPUNIT_ASSERT_EQUAL(std::string("01 01 00 03 61 62 63"), encoded(token));
    CPPUNIT_ASSERT(frame("01 02 00 01 02").type == GssMessage::protection);
    CPPUNIT_ASSERT(frame("01 03 00 00").token.empty());
    CPPUNIT_ASSERT(frame("01 ff").type == GssMessage::abort);
    CPPUNIT_ASSERT_EQUAL(std::string("01 ff"), encoded(GssFrame{}));
  }

  void gssFrameOf65535Octets() {
    const Octets message = octets("01 03 ff ff") + repeated(65535, 'x');
    for (const std::size_t size : {std::size_t{3}, std::size_t{4}, message.size() - 1}) {
      Reader reader(OctetSpan(message).first(size));
      const auto result = decodeGssFrame(reader);
      CPPUNIT_ASSERT(result && !result->has_value() && reader.position() == 0);
    }
    const Octets stream = message + octets("01 ff");
    Reader reader(stream);
    const auto frame = decodeGssFrame(reader);
    CPPUNIT_ASSERT(frame && (*frame)->token.size() == 65535);
    CPPUNIT_ASSERT_EQUAL(message.size(), reader.position());
    Octets again;
    encode(**frame, again);
    CPPUNIT_ASSERT(again == message);
  }

  void gssFrameRefused() {
    checkRefused(decodeGssFrame, octets("05 01 00 00"));
    checkRefused(decodeGssFrame, octets("01 00 00 00"));
    checkRefused(decodeGssFrame, octets("01 04 00 00"));
    checkRefused(decodeGssFrame, octets("01 fe"));
  }

  // A failure that is told and understood again stays what it was.
  void failuresAndReplyCodes() {
    for (int code = 1; code <= 8; ++code) {
      const ReplyCode reply{static_cast<std::uint8_t>(code)};
      CPPUNIT_ASSERT_EQUAL(code, static_cast<int>(replyCodeOf(failureOf(reply))));
    }
    CPPUNIT_ASSERT(replyCodeOf(Failure::noSuchName) == ReplyCode::hostUnreachable);
    CPPUNIT_ASSERT(replyCodeOf(Failure::timedOut) == ReplyCode::ttlExpired);
    CPPUNIT_ASSERT(replyCodeOf(Failure::exhausted) == ReplyCode::generalFailure);
    CPPUNIT_ASSERT(failureOf(ReplyCode{0x42}) == Failure::general);
    for (int i = 0; i <= static_cast<int>(Failure::invalid); ++i) {
      CPPUNIT_ASSERT(replyCodeOf(static_cast<Failure>(i)) != ReplyCode::succeeded);
    }
  }

  // SOCKS has no hop counter; ours is a private method among the others.
  void gatewaysPassed() {
    const auto passedBy = [](std::vector<Method> methods) {
      Greeting greeting;
      greeting.methods = std::move(methods);
      return passedGateways(greeting);
    };
    CPPUNIT_ASSERT_EQUAL(0U, passedBy({Method::none, Method::userpass}));
    CPPUNIT_ASSERT_EQUAL(0U, passedBy({Method{0xc0}, Method{0xe0}, Method{0xff}}));
    for (const unsigned count : {1U, 7U, maxPassedGateways}) {
      CPPUNIT_ASSERT_EQUAL(count, passedBy({Method::none, passedMethod(count)}));
    }
    CPPUNIT_ASSERT_EQUAL(maxPassedGateways, passedBy({passedMethod(1000)}));
    CPPUNIT_ASSERT_EQUAL(5U, passedBy({passedMethod(5), Method::none, passedMethod(2)}));
  }

  void methodNames() {
    CPPUNIT_ASSERT_EQUAL(std::string("none"), std::string(toString(Method::none)));
    CPPUNIT_ASSERT_EQUAL(std::string("gssapi"), std::string(toString(Method::gssapi)));
    CPPUNIT_ASSERT_EQUAL(std::string("userpass"), std::string(toString(Method::userpass)));
    CPPUNIT_ASSERT_EQUAL(std::string("unknown"), std::string(toString(Method{0x55})));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(Socks5Test);

}  // namespace
}  // namespace crossgate::socks5
