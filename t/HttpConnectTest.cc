// SPDX-License-Identifier: BSD-2-Clause
// lib/http_connect: what is asked, and every answer at every split point.
#include "lib/http_connect.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>

#include "t/Support.h"

namespace crossgate {
namespace {

const std::string okay = "HTTP/1.1 200 Connection established\r\nVia: 1.1 a\r\n\r\n";

socks5::Request to(const char* host, socks5::Command command = socks5::Command::connect) {
  return {command, Destination::of(host, 443)};
}

HttpConnect client(const char* host = "example.org", const std::optional<socks5::Credentials>& credentials = {}) {
  auto made = HttpConnect::create(credentials, to(host));
  CPPUNIT_ASSERT_MESSAGE(made ? "" : made.error().detail, made.has_value());
  return *std::move(made);
}

std::string said(HttpConnect& client) {
  std::string all;
  while (!client.output().empty()) {
    CPPUNIT_ASSERT_EQUAL(std::size_t{0}, client.wanted());
    const OctetSpan part = client.output().first(std::min<std::size_t>(7, client.output().size()));
    all.append(part.begin(), part.end());
    client.sent(part.size());
  }
  return all;
}

// Gives the client what it asks for of `text`, but no piece over the boundary at `split` and none longer than
// `step`, until it is done, says what is wrong, or everything is taken.
Result<void> answer(HttpConnect& client, std::string_view text, std::size_t split, std::size_t step,
                    std::size_t& taken) {
  const OctetSpan all(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  taken = 0;
  while (!client.done() && taken < all.size()) {
    const std::size_t end = taken < split ? split : all.size();
    const std::size_t size = std::min({client.wanted(), step, end - taken});
    CPPUNIT_ASSERT(size > 0);
    const auto result = client.received(all.subspan(taken, size));
    taken += size;
    if (!result) return result;
  }
  return {};
}

// Leads the whole conversation, at every split point and octet by octet; `check` looks at each.
template <class Check>
void everyWay(const std::string& text, Check check) {
  for (std::size_t split = 0; split <= text.size(); ++split) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{2}, text.size()}) {
      HttpConnect one = client();
      said(one);
      std::size_t taken = 0;
      const Result<void> result = answer(one, text, split, step, taken);
      check(one, result, taken);
    }
  }
}

void endsWith(const std::string& head, socks5::ReplyCode code) {
  everyWay(head + "of the tunnel\r\n\r\n", [&](const HttpConnect& one, const Result<void>& result, std::size_t taken) {
    CPPUNIT_ASSERT(result && one.done());
    CPPUNIT_ASSERT_EQUAL(int(code), int(one.reply().code));
    CPPUNIT_ASSERT_EQUAL(head.size(), taken);
    CPPUNIT_ASSERT_EQUAL(std::size_t{0}, one.wanted());
  });
}

void fails(const std::string& text, Failure failure) {
  everyWay(text, [&](const HttpConnect& one, const Result<void>& result, std::size_t) {
    CPPUNIT_ASSERT_MESSAGE(text, !result && !one.done());
    CPPUNIT_ASSERT_EQUAL(std::string(toString(failure)), std::string(toString(result.error().failure)));
  });
}

void status(int number, socks5::ReplyCode code) {
  endsWith("HTTP/1.1 " + std::to_string(number) + " Reason\r\nContent-Length: 9\r\n\r\n", code);
}

class HttpConnectTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(HttpConnectTest);
  CPPUNIT_TEST(asksByNameAndByAddress);
  CPPUNIT_TEST(sendsUserAndPassword);
  CPPUNIT_TEST(base64OfEveryLength);
  CPPUNIT_TEST(asksNothingThatHttpCannotCarry);
  CPPUNIT_TEST(takesNothingOfTheTunnel);
  CPPUNIT_TEST(skipsInterimResponses);
  CPPUNIT_TEST(statusesAsReplies);
  CPPUNIT_TEST(aPasswordIsWanted);
  CPPUNIT_TEST(everyBeginningIsIncomplete);
  CPPUNIT_TEST(garbage);
  CPPUNIT_TEST(headsAreBounded);
  CPPUNIT_TEST_SUITE_END();

 public:
  void asksByNameAndByAddress() {
    const auto asked = [](const char* host) {
      HttpConnect one = client(host);
      return said(one);
    };
    const auto expected = [](const std::string& authority) {
      return "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n\r\n";
    };
    CPPUNIT_ASSERT_EQUAL(expected("Example.org.:443"), asked("Example.org."));
    CPPUNIT_ASSERT_EQUAL(expected("192.0.2.1:443"), asked("192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(expected("[2001:db8::1]:443"), asked("2001:db8::1"));
  }

  void sendsUserAndPassword() {  // RFC 7617, section 2
    HttpConnect one = client("a", socks5::Credentials{"Aladdin", "open sesame"});
    CPPUNIT_ASSERT_EQUAL(std::string("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n"
                                     "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"),
                         said(one));
  }

  void base64OfEveryLength() {
    const auto basic = [](const char* user, const char* password) {
      HttpConnect one = client("a", socks5::Credentials{user, password});
      const std::string all = said(one);
      const std::size_t from = all.find("Basic ") + 6;
      return all.substr(from, all.find('\r', from) - from);
    };
    CPPUNIT_ASSERT_EQUAL(std::string("YTo="), basic("a", ""));
    CPPUNIT_ASSERT_EQUAL(std::string("YTpi"), basic("a", "b"));
    CPPUNIT_ASSERT_EQUAL(std::string("YTpiOg=="), basic("a", "b:"));
    CPPUNIT_ASSERT_EQUAL(std::string("YTr/vvs="), basic("a", "\xff\xbe\xfb"));
  }

  void asksNothingThatHttpCannotCarry() {
    const auto refused = [](const socks5::Request& request, const std::optional<socks5::Credentials>& credentials = {}) {
      const auto made = HttpConnect::create(credentials, request);
      CPPUNIT_ASSERT(!made);
      return made.error().failure;
    };
    for (const auto command : {socks5::Command::bind, socks5::Command::udpAssociate})
      CPPUNIT_ASSERT(refused(to("a", command)) == Failure::unsupportedCommand);
    for (const char* name : {"a\r\nEvil: b", "a b", "a:1", "a/b", "user@a", "\x80", "a]", ""})
      CPPUNIT_ASSERT(refused(to(name)) == Failure::invalid);
    CPPUNIT_ASSERT(refused(to("a"), socks5::Credentials{"a:b", "c"}) == Failure::invalid);
  }

  void takesNothingOfTheTunnel() {
    endsWith(okay, socks5::ReplyCode::succeeded);
    endsWith("HTTP/1.0 200\r\n\r\n", socks5::ReplyCode::succeeded);
    endsWith("HTTP/1.1 200 \r\na: \r\r\n\r\n", socks5::ReplyCode::succeeded);
    endsWith("HTTP/1.1 200 \r\na: \n\n\r\n\r\n", socks5::ReplyCode::succeeded);
  }

  void skipsInterimResponses() {
    endsWith("HTTP/1.1 100 Continue\r\n\r\n" + okay, socks5::ReplyCode::succeeded);
    endsWith("HTTP/1.1 102\r\na: b\r\n\r\nHTTP/1.1 103 b\r\n\r\nHTTP/1.1 403 c\r\n\r\n", socks5::ReplyCode::notAllowed);
  }

  void statusesAsReplies() {
    for (const int number : {200, 204, 299}) status(number, socks5::ReplyCode::succeeded);
    for (const int number : {403, 405}) status(number, socks5::ReplyCode::notAllowed);
    for (const int number : {404, 502, 503}) status(number, socks5::ReplyCode::hostUnreachable);
    status(504, socks5::ReplyCode::ttlExpired);
    for (const int number : {301, 400, 500, 999}) status(number, socks5::ReplyCode::generalFailure);
  }

  void aPasswordIsWanted() {
    fails("HTTP/1.1 401 Unauthorized\r\n\r\n", Failure::denied);
    fails("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"a\"\r\n\r\n", Failure::denied);
  }

  void everyBeginningIsIncomplete() {
    for (std::size_t size = 0; size < okay.size(); ++size) {
      everyWay(okay.substr(0, size), [&](const HttpConnect& one, const Result<void>& result, std::size_t taken) {
        CPPUNIT_ASSERT(result && !one.done());
        CPPUNIT_ASSERT_EQUAL(size, taken);
        CPPUNIT_ASSERT(one.wanted() >= 1 && one.wanted() <= okay.size() - size);
        CPPUNIT_ASSERT(one.closedEarly().failure == Failure::peerGone);
      });
    }
  }

  void garbage() {
    for (const char* text : {"no", "HTTQ", "HTTP/2", "\r\n\r\n", "SSH-2.0-OpenSSH"}) fails(text, Failure::malformed);
    for (const char* line : {"HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 abc", "HTTP/1.x 200 a",
                             "HTTP/1.1  200", "HTTP/1.1 000 a"})
      fails(std::string(line) + "\r\n\r\n", Failure::malformed);
  }

  void headsAreBounded() {
    const auto fate = [](const std::string& text, std::size_t& taken) {
      HttpConnect one = client();
      said(one);
      return answer(one, text, 0, text.size(), taken).has_value();
    };
    std::size_t taken = 0;
    const std::string begin = "HTTP/1.1 200 ";
    CPPUNIT_ASSERT(fate(begin + std::string(HttpConnect::maxHeadOctets - begin.size() - 4, 'a') + "\r\n\r\n", taken));
    CPPUNIT_ASSERT(!fate(begin + std::string(2 * HttpConnect::maxHeadOctets, 'a'), taken));
    CPPUNIT_ASSERT(taken <= HttpConnect::maxHeadOctets + 3);
    std::string interim;
    while (interim.size() < 2 * HttpConnect::maxHeadOctets) interim += "HTTP/1.1 100 Continue\r\n\r\n";
    CPPUNIT_ASSERT(!fate(interim, taken));
    CPPUNIT_ASSERT(taken <= HttpConnect::maxHeadOctets + 32);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(HttpConnectTest);

}  // namespace
}  // namespace crossgate
