// SPDX-License-Identifier: BSD-2-Clause
// lib/socks_client: whole conversations against a script, octet by octet and in one piece.
#include "lib/socks_client.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>

#include "t/Support.h"

namespace crossgate {
namespace {

using test::octets;
using test::repeated;
using test::toHex;
using test::operator+;
using Dialect = SocksClient::Dialect;

const socks5::Credentials alice{"alice", "secret"};

constexpr const char* greetingNone = "05 01 00";
constexpr const char* greetingBoth = "05 02 02 00";
constexpr const char* greetingUserpass = "05 01 02";
constexpr const char* aliceOnTheWire = "01 05 'alice' 06 'secret'";
constexpr const char* connectExample = "05 01 00 03 0b 'example.org' 00 50";
constexpr const char* granted = "05 00 00 01 c0 00 02 07 04 38";

socks5::Request to(const char* host, socks5::Command command = socks5::Command::connect) {
  return {command, Destination::of(host, 80)};
}

SocksClient client(SocksClient::Options options, const socks5::Request& request = to("example.org")) {
  auto made = SocksClient::create(std::move(options), request);
  CPPUNIT_ASSERT_MESSAGE(made ? "" : made.error().detail, made.has_value());
  return *std::move(made);
}

// Sends what the client has to say, `step` octets at a time, and gives it.
std::string said(SocksClient& client, std::size_t step = 3) {
  Octets all;
  while (!client.output().empty()) {
    CPPUNIT_ASSERT_EQUAL(std::size_t{0}, client.wanted());
    const OctetSpan part = client.output().first(std::min(step, client.output().size()));
    all.insert(all.end(), part.begin(), part.end());
    client.sent(part.size());
  }
  return toHex(all);
}

// Answers with all of `text`, as the client asks for it but at most `step` at a time; nothing is left.
Result<void> answer(SocksClient& client, const Octets& stream, std::size_t step = 1000) {
  OctetSpan rest(stream);
  while (!rest.empty()) {
    const std::size_t size = std::min({step, client.wanted(), rest.size()});
    CPPUNIT_ASSERT_MESSAGE("asks for less than the server says: " + toHex(rest), size > 0);
    const auto result = client.received(rest.first(size));
    if (!result) return result;
    rest = rest.subspan(size);
  }
  return {};
}

std::string hex(const char* text) { return toHex(octets(text)); }

void good(const Result<void>& result) {
  CPPUNIT_ASSERT_MESSAGE(result ? "" : result.error().detail, result.has_value());
}

void fails(const Result<void>& result, Failure failure) {
  CPPUNIT_ASSERT(!result);
  CPPUNIT_ASSERT_EQUAL(std::string(toString(failure)), std::string(toString(result.error().failure)));
}

class SocksClientTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SocksClientTest);
  CPPUNIT_TEST(withoutAuthentication);
  CPPUNIT_TEST(withUserAndPassword);
  CPPUNIT_TEST(credentialsThatNobodyAsksFor);
  CPPUNIT_TEST(inOneFlight);
  CPPUNIT_TEST(inOneFlightWithUserAndPassword);
  CPPUNIT_TEST(octetByOctet);
  CPPUNIT_TEST(neverAsksForMoreThanTheReply);
  CPPUNIT_TEST(addressesAsAddresses);
  CPPUNIT_TEST(noMethodInCommon);
  CPPUNIT_TEST(aMethodThatWasNotOffered);
  CPPUNIT_TEST(aWrongPassword);
  CPPUNIT_TEST(garbageInsteadOfAnAnswer);
  CPPUNIT_TEST(aFailureIsAReply);
  CPPUNIT_TEST(aFailureWithABrokenAddressIsAReply);
  CPPUNIT_TEST(aSuccessWithABrokenAddressIsMalformed);
  CPPUNIT_TEST(closedEarly);
  CPPUNIT_TEST(secondReplyOfBind);
  CPPUNIT_TEST(socks4);
  CPPUNIT_TEST(socks4aByName);
  CPPUNIT_TEST(socks4aCarriesIpv6AsAName);
  CPPUNIT_TEST(socks4Failures);
  CPPUNIT_TEST(socks4SecondReplyOfBind);
  CPPUNIT_TEST(whatCannotBeAskedFor);
  CPPUNIT_TEST_SUITE_END();

  void withoutAuthentication() {
    SocksClient c = client({});
    CPPUNIT_ASSERT_EQUAL(hex(greetingNone), said(c));
    CPPUNIT_ASSERT_EQUAL(std::size_t{2}, c.wanted());
    good(answer(c, octets("05 00")));
    CPPUNIT_ASSERT_EQUAL(hex(connectExample), said(c));
    CPPUNIT_ASSERT(!c.done());
    good(answer(c, octets(granted)));
    CPPUNIT_ASSERT(c.done());
    CPPUNIT_ASSERT_EQUAL(std::size_t{0}, c.wanted());
    CPPUNIT_ASSERT(c.output().empty());
    CPPUNIT_ASSERT(c.reply().code == socks5::ReplyCode::succeeded);
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.7:1080"), c.reply().bound.toString());
  }

  void withUserAndPassword() {
    SocksClient c = client({Dialect::socks5, alice, false});
    CPPUNIT_ASSERT_EQUAL(hex(greetingBoth), said(c));
    good(answer(c, octets("05 02")));
    CPPUNIT_ASSERT_EQUAL(hex(aliceOnTheWire), said(c));
    CPPUNIT_ASSERT_EQUAL(std::size_t{2}, c.wanted());
    good(answer(c, octets("01 00")));
    CPPUNIT_ASSERT_EQUAL(hex(connectExample), said(c));
    good(answer(c, octets(granted)));
    CPPUNIT_ASSERT(c.done());
  }

  void credentialsThatNobodyAsksFor() {
    SocksClient c = client({Dialect::socks5, alice, false});
    said(c);
    good(answer(c, octets("05 00")));
    CPPUNIT_ASSERT_EQUAL(hex(connectExample), said(c));
  }

  void inOneFlight() {
    SocksClient c = client({Dialect::socks5, {}, true});
    CPPUNIT_ASSERT_EQUAL(toHex(octets(greetingNone) + octets(connectExample)), said(c));
    good(answer(c, octets("05 00") + octets(granted)));
    CPPUNIT_ASSERT(c.done() && c.output().empty());
  }

  void inOneFlightWithUserAndPassword() {
    SocksClient c = client({Dialect::socks5, alice, true});
    const Octets flight = octets(greetingUserpass) + octets(aliceOnTheWire) + octets(connectExample);
    CPPUNIT_ASSERT_EQUAL(toHex(flight), said(c, 1));
    good(answer(c, octets("05 02 01 00") + octets(granted)));
    CPPUNIT_ASSERT(c.done() && c.output().empty());
  }

  void octetByOctet() {
    SocksClient c = client({Dialect::socks5, alice, false});
    said(c, 1);
    good(answer(c, octets("05 02"), 1));
    said(c, 1);
    good(answer(c, octets("01 00"), 1));
    said(c, 1);
    good(answer(c, octets("05 00 00 03 0b 'example.org' 00 50"), 1));
    CPPUNIT_ASSERT(c.done());
    CPPUNIT_ASSERT_EQUAL(std::string("example.org:80"), c.reply().bound.toString());
  }

  // What follows a reply belongs to the program, so one octet too many would be lost to it.
  void neverAsksForMoreThanTheReply() {
    const Octets replies[] = {
        octets(granted),
        octets("05 00 00 04 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 04 38"),
        octets("05 00 00 03 01 'a' 04 38"),
        octets("05 00 00 03 ff") + repeated(255) + octets("04 38"),
    };
    for (const Octets& reply : replies) {
      for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{1000}}) {
        SocksClient c = client({Dialect::socks5, {}, true});
        said(c);
        good(answer(c, octets("05 00")));
        OctetSpan rest(reply);
        while (!c.done()) {
          CPPUNIT_ASSERT(c.wanted() > 0);
          CPPUNIT_ASSERT_MESSAGE("asks for more than " + toHex(rest), c.wanted() <= rest.size());
          const std::size_t size = std::min(step, c.wanted());
          good(c.received(rest.first(size)));
          rest = rest.subspan(size);
        }
        CPPUNIT_ASSERT(rest.empty());
      }
    }
  }

  void addressesAsAddresses() {
    SocksClient v4 = client({Dialect::socks5, {}, true}, to("192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(hex("05 01 00 05 01 00 01 c0 00 02 01 00 50"), said(v4));
    SocksClient v6 = client({Dialect::socks5, {}, true}, to("2001:db8::1", socks5::Command::udpAssociate));
    CPPUNIT_ASSERT_EQUAL(hex("05 01 00 05 03 00 04 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 00 50"),
                         said(v6));
  }

  void noMethodInCommon() {
    for (const bool pipeline : {false, true}) {
      SocksClient c = client({Dialect::socks5, alice, pipeline});
      said(c);
      fails(answer(c, octets("05 ff")), Failure::denied);
    }
  }

  void aMethodThatWasNotOffered() {
    SocksClient without = client({});
    said(without);
    fails(answer(without, octets("05 02")), Failure::malformed);
    SocksClient gssapi = client({Dialect::socks5, alice, false});
    said(gssapi);
    fails(answer(gssapi, octets("05 01")), Failure::malformed);
    // `none` was not offered here, and the credentials that are under way would be read as a request.
    SocksClient pipelined = client({Dialect::socks5, alice, true});
    said(pipelined);
    fails(answer(pipelined, octets("05 00")), Failure::malformed);
  }

  void aWrongPassword() {
    SocksClient c = client({Dialect::socks5, alice, true});
    said(c);
    fails(answer(c, octets("05 02 01 01")), Failure::denied);
  }

  void garbageInsteadOfAnAnswer() {
    SocksClient greeting = client({});
    said(greeting);
    fails(answer(greeting, octets("'HT'")), Failure::malformed);
    SocksClient status = client({Dialect::socks5, alice, true});
    said(status);
    fails(answer(status, octets("05 02 'HT'")), Failure::malformed);
    SocksClient reply = client({Dialect::socks5, {}, true});
    said(reply);
    fails(answer(reply, octets("05 00 'HTTP/'")), Failure::malformed);
  }

  void aFailureIsAReply() {
    SocksClient c = client({Dialect::socks5, {}, true});
    said(c);
    good(answer(c, octets("05 00 05 05 00 01 00 00 00 00 00 00")));
    CPPUNIT_ASSERT(c.done());
    CPPUNIT_ASSERT(c.reply().code == socks5::ReplyCode::connectionRefused);
  }

  void aFailureWithABrokenAddressIsAReply() {
    for (const char* reply : {"05 00 05 04 00 00 00", "05 00 05 04 00 03 00 00 00"}) {
      SocksClient c = client({Dialect::socks5, {}, true});
      said(c);
      good(answer(c, octets(reply)));
      CPPUNIT_ASSERT(c.done());
      CPPUNIT_ASSERT(c.reply().code == socks5::ReplyCode::hostUnreachable);
    }
  }

  void aSuccessWithABrokenAddressIsMalformed() {
    SocksClient c = client({Dialect::socks5, {}, true});
    said(c);
    fails(answer(c, octets("05 00 05 00 00 02 00")), Failure::unsupportedAddress);
  }

  void closedEarly() {
    const auto after = [](const char* answers) {
      SocksClient c = client({Dialect::socks5, alice, true});
      said(c);
      good(answer(c, octets(answers)));
      return c.closedEarly().failure;
    };
    CPPUNIT_ASSERT(after("") == Failure::peerGone);
    CPPUNIT_ASSERT(after("05") == Failure::peerGone);
    CPPUNIT_ASSERT(after("05 02") == Failure::denied);
    CPPUNIT_ASSERT(after("05 02 01 00") == Failure::peerGone);
    CPPUNIT_ASSERT(after("05 02 01 00 05 00 00") == Failure::peerGone);
    CPPUNIT_ASSERT(after("05 02 01 00 05 02") == Failure::denied);
    CPPUNIT_ASSERT(after("05 02 01 00 05 05 00 01") == Failure::refused);
  }

  void secondReplyOfBind() {
    SocksClient c = client({Dialect::socks5, {}, true}, to("192.0.2.1", socks5::Command::bind));
    CPPUNIT_ASSERT_EQUAL(hex("05 01 00 05 02 00 01 c0 00 02 01 00 50"), said(c));
    good(answer(c, octets("05 00") + octets(granted)));
    CPPUNIT_ASSERT(c.done());
    c.expectSecondReply();
    CPPUNIT_ASSERT(!c.done() && c.output().empty() && c.wanted() > 0);
    CPPUNIT_ASSERT(c.closedEarly().failure == Failure::peerGone);
    good(answer(c, octets("05 00 00 01 c0 00 02 01 00 14"), 1));
    CPPUNIT_ASSERT(c.done());
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1:20"), c.reply().bound.toString());
  }

  void socks4() {
    SocksClient c = client({Dialect::socks4, alice, false}, to("192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(hex("04 01 00 50 c0 00 02 01 'alice' 00"), said(c));
    CPPUNIT_ASSERT_EQUAL(std::size_t{8}, c.wanted());
    good(answer(c, octets("00 5a 04 38 c0 00 02 07"), 1));
    CPPUNIT_ASSERT(c.done());
    CPPUNIT_ASSERT(c.reply().code == socks5::ReplyCode::succeeded);
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.7:1080"), c.reply().bound.toString());
    CPPUNIT_ASSERT_EQUAL(std::size_t{0}, c.wanted());
  }

  void socks4aByName() {
    SocksClient c = client({Dialect::socks4a, {}, false});
    CPPUNIT_ASSERT_EQUAL(hex("04 01 00 50 00 00 00 01 00 'example.org' 00"), said(c));
    SocksClient address = client({Dialect::socks4a, {}, false}, to("192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(hex("04 01 00 50 c0 00 02 01 00"), said(address));
  }

  void socks4aCarriesIpv6AsAName() {
    SocksClient c = client({Dialect::socks4a, {}, false}, to("2001:db8::1"));
    CPPUNIT_ASSERT_EQUAL(hex("04 01 00 50 00 00 00 01 00 '2001:db8::1' 00"), said(c));
  }

  void socks4Failures() {
    const auto codeAfter = [](const char* reply) {
      SocksClient c = client({Dialect::socks4, {}, false}, to("192.0.2.1"));
      said(c);
      good(answer(c, octets(reply)));
      CPPUNIT_ASSERT(c.done());
      return c.reply().code;
    };
    CPPUNIT_ASSERT(codeAfter("00 5b 00 00 00 00 00 00") == socks5::ReplyCode::generalFailure);
    CPPUNIT_ASSERT(codeAfter("00 5c 00 00 00 00 00 00") == socks5::ReplyCode::notAllowed);
    CPPUNIT_ASSERT(codeAfter("00 5d 00 00 00 00 00 00") == socks5::ReplyCode::notAllowed);
    CPPUNIT_ASSERT(codeAfter("00 00 00 00 00 00 00 00") == socks5::ReplyCode::generalFailure);
    SocksClient c = client({Dialect::socks4, {}, false}, to("192.0.2.1"));
    said(c);
    good(answer(c, octets("00 5b")));
    CPPUNIT_ASSERT(c.closedEarly().failure == Failure::peerGone);
    SocksClient garbage = client({Dialect::socks4, {}, false}, to("192.0.2.1"));
    said(garbage);
    fails(answer(garbage, octets("'HTTP/1.1'")), Failure::malformed);
  }

  void socks4SecondReplyOfBind() {
    SocksClient c = client({Dialect::socks4, {}, false}, to("192.0.2.1", socks5::Command::bind));
    CPPUNIT_ASSERT_EQUAL(hex("04 02 00 50 c0 00 02 01 00"), said(c));
    good(answer(c, octets("00 5a 04 38 00 00 00 00")));
    CPPUNIT_ASSERT(c.done() && c.reply().bound.address()->isUnspecified());
    c.expectSecondReply();
    CPPUNIT_ASSERT_EQUAL(std::size_t{8}, c.wanted());
    good(answer(c, octets("00 5b 00 00 00 00 00 00")));
    CPPUNIT_ASSERT(c.done() && c.reply().code == socks5::ReplyCode::generalFailure);
  }

  void whatCannotBeAskedFor() {
    const auto refused = [](SocksClient::Options options, const socks5::Request& request, Failure failure) {
      const auto made = SocksClient::create(std::move(options), request);
      CPPUNIT_ASSERT(!made);
      CPPUNIT_ASSERT_EQUAL(std::string(toString(failure)), std::string(toString(made.error().failure)));
      CPPUNIT_ASSERT(made.error().detail.find("secret") == std::string::npos);
    };
    const SocksClient::Options v4{Dialect::socks4, {}, false};
    const SocksClient::Options v4a{Dialect::socks4a, {}, false};
    refused(v4, to("example.org"), Failure::unsupportedAddress);
    refused(v4, to("2001:db8::1"), Failure::unsupportedAddress);
    refused(v4, to("0.0.0.7"), Failure::unsupportedAddress);
    refused(v4a, to("192.0.2.1", socks5::Command::udpAssociate), Failure::unsupportedCommand);
    refused(v4a, to("example.org", socks5::Command::resolve), Failure::unsupportedCommand);
    const std::string tooLong(256, 'a');
    refused({}, to(tooLong.c_str()), Failure::invalid);
    refused(v4a, to(tooLong.c_str()), Failure::invalid);
    refused({}, to(""), Failure::invalid);
    refused({}, {socks5::Command::connect, {std::string("a\0b", 3), 80}}, Failure::invalid);
    refused({Dialect::socks5, socks5::Credentials{"", "secret"}, false}, to("a"), Failure::invalid);
    refused({Dialect::socks5, socks5::Credentials{tooLong, "secret"}, false}, to("a"), Failure::invalid);
    refused({Dialect::socks5, socks5::Credentials{"alice", tooLong}, false}, to("a"), Failure::invalid);
    refused({Dialect::socks4a, socks5::Credentials{tooLong, ""}, false}, to("a"), Failure::invalid);
    refused({Dialect::socks4a, socks5::Credentials{std::string("a\0b", 3), ""}, false}, to("a"),
            Failure::invalid);
    client({Dialect::socks4, {}, false}, to("::ffff:192.0.2.1"));
    client({Dialect::socks5, socks5::Credentials{"alice", ""}, false});
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SocksClientTest);

}  // namespace
}  // namespace crossgate
