// SPDX-License-Identifier: BSD-2-Clause
// gateway/gss_level and gss_stream: what is agreed on, and frames that arrive in any pieces.
#include "gateway/gss_stream.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cerrno>

#include "gateway/gss_level.h"
#include "t/Loop.h"

namespace crossgate {
namespace {

using namespace std::chrono_literals;

// Protects by turning octets over, so that a frame can be told from its message; refuses an empty token.
class Mirror final : public GssSeal {
 public:
  Result<Octets> wrap(OctetSpan message) override {
    Octets token(message.begin(), message.end());
    for (std::uint8_t& octet : token) octet = static_cast<std::uint8_t>(~octet);
    return token;
  }
  Result<Octets> unwrap(OctetSpan token, Order) override {
    if (token.empty()) return malformed("forged");
    return wrap(token);
  }
  std::size_t largest() const override { return 1000; }
};

// Takes empty messages, as GSSAPI does: nothing is in the token.
class EmptyMessages final : public GssSeal {
 public:
  Result<Octets> wrap(OctetSpan) override { return Octets{}; }
  Result<Octets> unwrap(OctetSpan token, Order) override { return Octets(token.begin(), token.end()); }
  std::size_t largest() const override { return 1000; }
};

class GssStreamTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(GssStreamTest);
  CPPUNIT_TEST(levelsAreAgreedOn);
  CPPUNIT_TEST(framesArriveInAnyPieces);
  CPPUNIT_TEST(whatDoesNotVerifyBreaksTheStream);
  CPPUNIT_TEST(emptyMessagesAreSkipped);
  CPPUNIT_TEST(nothingButEmptyMessagesBreaksTheStream);
  CPPUNIT_TEST(aFrameCutShortIsNoEnd);
  CPPUNIT_TEST(datagramsAreWholeFrames);
  CPPUNIT_TEST_SUITE_END();

  EventLoop loop_;

  struct Pair {
    Fd peer;
    std::unique_ptr<GssStream> stream;
  };
  Pair make(const std::string& early = "", std::unique_ptr<GssSeal> seal = std::make_unique<Mirror>()) {
    auto pair = test::tcpPair();
    const auto* octets = reinterpret_cast<const std::uint8_t*>(early.data());
    return {std::move(pair.first),
            std::make_unique<GssStream>(std::make_unique<PlainStream>(loop_, std::move(pair.second)),
                                        std::move(seal), OctetSpan(octets, early.size()))};
  }
  static std::string frame(char type, const std::string& message) {
    std::string text{1, type, static_cast<char>(message.size() >> 8), static_cast<char>(message.size())};
    for (const char c : message) text += static_cast<char>(~c);
    return text;
  }
  std::string hear(GssStream& stream, std::size_t size) {
    Inbox inbox;
    while (inbox.unread().size() < size) {
      const auto count = test::run(loop_, inbox.fill(stream, in(5s)));
      CPPUNIT_ASSERT(count && *count > 0);
    }
    return {inbox.unread().begin(), inbox.unread().end()};
  }

 public:
  void levelsAreAgreedOn() {
    using enum GssLevel;
    const std::vector<GssLevel> both{confidentiality, integrity};
    CPPUNIT_ASSERT(agreeOn(1, both) == integrity);
    CPPUNIT_ASSERT(agreeOn(2, both) == confidentiality);
    CPPUNIT_ASSERT(agreeOn(3, both) == confidentiality);
    CPPUNIT_ASSERT(agreeOn(1, {confidentiality}) == confidentiality);
    CPPUNIT_ASSERT(agreeOn(2, {integrity}) == integrity);
    CPPUNIT_ASSERT(agreeOn(3, {selective, integrity}) == selective);
    CPPUNIT_ASSERT(!agreeOn(0, both));
    CPPUNIT_ASSERT(agreeOn(0, {none, integrity}) == none);
    CPPUNIT_ASSERT(!agreeOn(2, {none}));
    CPPUNIT_ASSERT(!agreeOn(4, both));
  }
  void framesArriveInAnyPieces() {
    const std::string wire = frame(3, "first ") + frame(3, "second");
    for (std::size_t split = 0; split <= wire.size(); ++split) {
      Pair pair = make(wire.substr(0, split));
      if (split < wire.size()) test::sendText(pair.peer, wire.substr(split));
      CPPUNIT_ASSERT_EQUAL(std::string("first second"), hear(*pair.stream, 12));
    }
  }
  void whatDoesNotVerifyBreaksTheStream() {
    for (const std::string& wire : {frame(3, ""), frame(1, "a token"), frame(2, "x"),
                                    std::string("\1\377", 2), std::string("\5\1\0\1", 4)}) {
      Pair pair = make(wire);
      std::uint8_t buffer[16];
      const Io io = pair.stream->read(buffer);
      CPPUNIT_ASSERT(io.state == Io::State::failed && io.error == EPROTO);
    }
  }
  void emptyMessagesAreSkipped() {
    std::string wire;
    for (int i = 0; i < 20; ++i) wire += std::string("\1\3\0\0", 4);
    Pair pair = make(wire + std::string("\1\3\0\1x", 5), std::make_unique<EmptyMessages>());
    CPPUNIT_ASSERT_EQUAL(std::string("x"), hear(*pair.stream, 1));
  }
  void nothingButEmptyMessagesBreaksTheStream() {
    std::string wire;
    for (int i = 0; i < 1000; ++i) wire += std::string("\1\3\0\0", 4);
    Pair pair = make(wire, std::make_unique<EmptyMessages>());
    std::uint8_t buffer[16];
    const Io io = pair.stream->read(buffer);
    CPPUNIT_ASSERT(io.state == Io::State::failed && io.error == EPROTO);
  }
  void aFrameCutShortIsNoEnd() {
    Pair pair = make(frame(3, "words").substr(0, 6));
    pair.peer.reset();
    Inbox inbox;
    CPPUNIT_ASSERT(!test::run(loop_, inbox.fill(*pair.stream, in(5s))));
  }
  void datagramsAreWholeFrames() {
    Pair pair = make();
    DatagramCipher& cipher = *pair.stream->datagrams();
    const Octets datagram{0, 0, 0, 1, 2, 3};
    Octets wrapped = *cipher.wrap(datagram);
    CPPUNIT_ASSERT(*cipher.unwrap(wrapped) == datagram);
    CPPUNIT_ASSERT(!cipher.wrap(Octets(1001)));
    wrapped.push_back(0);
    CPPUNIT_ASSERT(!cipher.unwrap(wrapped));
    CPPUNIT_ASSERT(!cipher.unwrap(OctetSpan(wrapped).first(5)));
    CPPUNIT_ASSERT(!cipher.unwrap(datagram));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GssStreamTest);

}  // namespace
}  // namespace crossgate
