// SPDX-License-Identifier: BSD-2-Clause
// gateway/gss_initiate: the order of its conversation, and how it fails.  The helper is played by the test;
// contexts that stand are for t/e2e/gssapi.sh, which has a KDC.
#include "gateway/gss_initiate.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include "t/Loop.h"

namespace crossgate {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

class GssInitiateTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(GssInitiateTest);
  CPPUNIT_TEST(tokensGoBetweenHelperAndHop);
  CPPUNIT_TEST(aHelperThatFailsAtOnceHasNoTicket);
  CPPUNIT_TEST(aHelperThatFailsAtAnAnswerIsDenied);
  CPPUNIT_TEST(aHopThatGivesUpIsDenied);
  CPPUNIT_TEST(nonsenseOfTheHopIsMalformed);
  CPPUNIT_TEST(aHelperThatDiesIsNoFaultOfTheHop);
  CPPUNIT_TEST_SUITE_END();

  EventLoop loop_;
  Fd asked_, asking_, peer_;
  std::unique_ptr<PlainStream> hop_;

  static std::string text(OctetSpan octets) { return {octets.begin(), octets.end()}; }
  static Octets octets(const std::string& text) { return {text.begin(), text.end()}; }

  // What a helper does: takes a conversation and answers its questions one after the other.
  Task<std::string> help(std::vector<GssAnswer> answers) {
    std::optional<Fd> channel;
    Socket questions(loop_, Fd(dup(asked_.get())));
    while (!channel) {
      auto begun = acceptGssConversation(questions.fd());
      CPPUNIT_ASSERT(begun);
      channel = *std::move(begun);
      if (channel) break;
      questions.blockedReading();
      (void)co_await questions.readable(in(5s));
    }
    Socket socket(loop_, *std::move(channel));
    std::string heard;
    for (const GssAnswer& answer : answers) {
      for (;;) {
        const auto token = receiveGssToken(socket.fd());
        CPPUNIT_ASSERT(token);
        if (token->has_value()) {
          heard += text(**token) + "|";
          break;
        }
        socket.blockedReading();
        (void)co_await socket.readable(in(5s));
      }
      CPPUNIT_ASSERT(sendGssAnswer(socket.fd(), answer));
    }
    co_return heard;
  }

  static GssAnswer more(const std::string& token) {
    GssAnswer answer;
    answer.kind = GssAnswer::Kind::more;
    answer.token = octets(token);
    return answer;
  }
  static GssAnswer failed(const std::string& why) {
    GssAnswer answer;
    answer.reason = why;
    return answer;
  }

  struct Outcome {
    Result<GssSession> session;
    std::string heard;  // by the helper
  };
  Outcome meet(std::vector<GssAnswer> answers) {
    GssDesk desk(loop_, asking_.get());
    Inbox inbox;
    Task<std::string> helping = help(std::move(answers));
    helping.start([](void*) noexcept {}, nullptr);
    auto session = test::run(loop_, initiateGss(desk, *hop_, inbox, "rcmd@gw.example",
                                                GssLevel::confidentiality, in(5s)));
    const std::string heard = helping.done() ? helping.result() : "";
    return {std::move(session), heard};
  }

 public:
  void setUp() override {
    int ends[2];
    CPPUNIT_ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    asked_ = Fd(ends[0]);
    asking_ = Fd(ends[1]);
    auto pair = test::tcpPair();
    peer_ = std::move(pair.first);
    hop_ = std::make_unique<PlainStream>(loop_, std::move(pair.second));
  }

  void tokensGoBetweenHelperAndHop() {
    test::sendText(peer_, "\1\1\0\5reply"s);
    const Outcome outcome = meet({more("first"), failed("no more")});
    CPPUNIT_ASSERT_EQUAL("rcmd@gw.example|reply|"s, outcome.heard);
    hop_.reset();
    CPPUNIT_ASSERT_EQUAL("\1\1\0\5first\1\377"s, test::receiveUntilEnd(peer_));
  }

  void aHelperThatFailsAtOnceHasNoTicket() {
    const Outcome outcome = meet({failed("no ticket")});
    CPPUNIT_ASSERT(!outcome.session);
    CPPUNIT_ASSERT(outcome.session.error().failure == Failure::noCredentials);
    CPPUNIT_ASSERT_EQUAL("no ticket"s, outcome.session.error().detail);
  }

  void aHelperThatFailsAtAnAnswerIsDenied() {
    test::sendText(peer_, "\1\1\0\5reply"s);
    const Outcome outcome = meet({more("first"), failed("it is somebody else")});
    CPPUNIT_ASSERT(!outcome.session && outcome.session.error().failure == Failure::denied);
  }

  void aHopThatGivesUpIsDenied() {
    test::sendText(peer_, "\1\377"s);
    const Outcome outcome = meet({more("first")});
    CPPUNIT_ASSERT(!outcome.session && outcome.session.error().failure == Failure::denied);
  }

  void nonsenseOfTheHopIsMalformed() {
    for (const std::string& nonsense : {"\1\2\0\1x"s, "\5\0"s, "\1\3\0\1x"s}) {
      setUp();
      test::sendText(peer_, nonsense);
      const Outcome outcome = meet({more("first")});
      CPPUNIT_ASSERT(!outcome.session && outcome.session.error().failure == Failure::malformed);
    }
  }

  void aHelperThatDiesIsNoFaultOfTheHop() {
    const Outcome outcome = meet({});
    CPPUNIT_ASSERT(!outcome.session && outcome.session.error().failure == Failure::noCredentials);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GssInitiateTest);

}  // namespace
}  // namespace crossgate
