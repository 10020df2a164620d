// SPDX-License-Identifier: BSD-2-Clause
// gateway/auth_protocol, with a helper process on one side (gateway/auth_helper) or a worker's LoginDesk on the
// other (gateway/authenticate).
#include <cppunit/extensions/HelperMacros.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <future>
#include <set>
#include <thread>

#include "gateway/auth_helper.h"
#include "gateway/authenticate.h"
#include "gateway/password_file.h"
#include "lib/fdpass.h"
#include "t/Loop.h"

namespace crossgate {
namespace {

std::pair<Fd, Fd> pairOfSockets() {
  int ends[2];
  CPPUNIT_ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

bool readable(const Fd& fd, int milliseconds) {
  pollfd ready{fd.get(), POLLIN, 0};
  return poll(&ready, 1, milliseconds) == 1;
}

LoginRequest loginOf(const char* password) {
  return {"alice", password, IpAddress::loopback(Family::ipv4)};
}

LoginAnswer nextAnswer(const Fd& channel) {
  constexpr int patience = 10'000;
  CPPUNIT_ASSERT_MESSAGE("no answer", readable(channel, patience));
  const auto answer = receiveAnswer(channel.get());
  CPPUNIT_ASSERT(answer && *answer);
  return **answer;
}

using namespace std::chrono_literals;

class AuthHelperTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(AuthHelperTest);
  CPPUNIT_TEST(answersBearTheNumbersOfTheirQuestions);
  CPPUNIT_TEST(noAnswerIsLostWhereTheWorkerTakesItsTime);
  CPPUNIT_TEST(aWorkerThatTalksNonsenseIsNotHeardAnyMore);
  CPPUNIT_TEST(aWorkerThatOpensChannelAfterChannelKeepsFour);
  CPPUNIT_TEST(whatIsAcceptedIsGoodForASecondAtMost);
  CPPUNIT_TEST(whatWasCheckedAgainstAnOldFileIsNotRemembered);
  CPPUNIT_TEST(orNotAtAllWhereNothingIsRemembered);
  CPPUNIT_TEST_SUITE_END();

  Fd questions_;
  pid_t helper_ = 0;
  char passwords_[32] = "/tmp/crossgate-test-XXXXXX";

  Fd openChannel() {
    auto [ours, theirs] = pairOfSockets();
    CPPUNIT_ASSERT(sendChannel(questions_.get(), theirs.get()));
    return std::move(ours);
  }

  LoginAnswer answerTo(const Fd& channel, std::uint32_t number, const char* password) {
    CPPUNIT_ASSERT(sendQuestion(channel.get(), number, loginOf(password)));
    const LoginAnswer answer = nextAnswer(channel);
    CPPUNIT_ASSERT_EQUAL(number, answer.number);
    return answer;
  }
  LoginVerdict ask(const Fd& channel, std::uint32_t number, const char* password) {
    return answerTo(channel, number, password).verdict;
  }

  void startHelper(std::chrono::seconds remember) {
    AuthConfig config;
    config.passwordFile = passwords_;
    config.checkers = 1;
    config.remember = remember;
    const auto log = Log::open({"/dev/null", LogFormat::text, LogLevel::info});
    CPPUNIT_ASSERT(log);
    auto [asking, answering] = pairOfSockets();
    auto [news, follower] = pairOfSockets();
    helper_ = fork();
    if (helper_ == 0) {
      asking.reset();
      runAuthHelper(config, *log, std::move(answering), std::move(follower));
      _exit(0);
    }
    questions_ = std::move(asking);
  }
  void stopHelper() {
    questions_.reset();  // by which it ends
    int status = 0;
    CPPUNIT_ASSERT_EQUAL(helper_, waitpid(helper_, &status, 0));
    CPPUNIT_ASSERT_EQUAL(0, status);
  }

 public:
  void setUp() override {
    ::close(mkstemp(passwords_));
    std::ofstream(passwords_) << "alice:" << hashPassword("secret").value() << '\n';
    startHelper(60s);
  }
  void tearDown() override {
    unlink(passwords_);
    stopHelper();
  }

  void answersBearTheNumbersOfTheirQuestions() {
    const Fd channel = openChannel();
    CPPUNIT_ASSERT(ask(channel, 7, "secret") == LoginVerdict::accepted);
    // A failure is told late; what is asked meanwhile is answered before.
    CPPUNIT_ASSERT(sendQuestion(channel.get(), 8, loginOf("wrong")));
    CPPUNIT_ASSERT(ask(channel, 9, "secret") == LoginVerdict::accepted);
    const LoginAnswer late = nextAnswer(channel);
    CPPUNIT_ASSERT_EQUAL(8U, late.number);
    CPPUNIT_ASSERT(late.verdict == LoginVerdict::rejected);
  }

  void noAnswerIsLostWhereTheWorkerTakesItsTime() {
    const Fd channel = openChannel();
    CPPUNIT_ASSERT(ask(channel, 0, "secret") == LoginVerdict::accepted);
    // Until neither the way there nor the way back takes any more.
    constexpr std::uint32_t most = 100'000;
    std::uint32_t asked = 0;
    for (int full = 0; full < 50 && asked < most;) {
      if (sendQuestion(channel.get(), asked + 1, loginOf("secret"))) {
        ++asked;
        full = 0;
      } else {
        ++full;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    }
    CPPUNIT_ASSERT(asked < most);
    std::set<std::uint32_t> answered;
    while (answered.size() < asked) answered.insert(nextAnswer(channel).number);
    CPPUNIT_ASSERT_EQUAL(asked, *answered.rbegin());
    CPPUNIT_ASSERT(ask(channel, 5, "secret") == LoginVerdict::accepted);
  }

  void aWorkerThatTalksNonsenseIsNotHeardAnyMore() {
    const Fd broken = openChannel();
    const Fd sound = openChannel();
    CPPUNIT_ASSERT(ask(broken, 1, "secret") == LoginVerdict::accepted);
    CPPUNIT_ASSERT(sendWithFds(broken.get(), OctetSpan(reinterpret_cast<const std::uint8_t*>("nonsense"), 8), {}));
    CPPUNIT_ASSERT(readable(broken, 10'000));
    const auto end = receiveAnswer(broken.get());
    CPPUNIT_ASSERT(!end && end.error().failure == Failure::peerGone);
    CPPUNIT_ASSERT(ask(sound, 2, "secret") == LoginVerdict::accepted);
  }

  void aWorkerThatOpensChannelAfterChannelKeepsFour() {
    std::vector<Fd> channels;
    for (std::uint32_t i = 0; i < 6; ++i) {
      channels.push_back(openChannel());
      CPPUNIT_ASSERT(ask(channels.back(), i, "secret") == LoginVerdict::accepted);
    }
    for (const std::size_t oldest : {0U, 1U}) {
      CPPUNIT_ASSERT(readable(channels[oldest], 10'000));
      CPPUNIT_ASSERT(!receiveAnswer(channels[oldest].get()));
    }
    CPPUNIT_ASSERT(ask(channels[2], 9, "secret") == LoginVerdict::accepted);
  }

  void whatWasCheckedAgainstAnOldFileIsNotRemembered() {
    const Fd channel = openChannel();
    for (std::uint32_t i = 0; i < 10; ++i) {
      // Of a cost that leaves time to change the file while the check goes on.
      std::ofstream(passwords_) << "alice:$2b$13$4Pz3fvQ0O42x.P0dqnp7lOyd2rls0fy5L.DTGA24RFd3YAFIeo3Hq\n";
      CPPUNIT_ASSERT(sendQuestion(channel.get(), 2 * i, loginOf("secret")));
      std::this_thread::sleep_for(100ms);
      std::ofstream(passwords_) << "bob:!\n";
      CPPUNIT_ASSERT(sendQuestion(channel.get(), 2 * i + 1, loginOf("secret")));
      const LoginAnswer first = nextAnswer(channel), second = nextAnswer(channel);
      CPPUNIT_ASSERT_EQUAL(2 * i, first.number);
      CPPUNIT_ASSERT(second.verdict == LoginVerdict::rejected);
      if (first.verdict == LoginVerdict::accepted) return;  // else the file was read too late
    }
    CPPUNIT_FAIL("no check began before the file was changed");
  }

  void whatIsAcceptedIsGoodForASecondAtMost() {
    const Fd channel = openChannel();
    CPPUNIT_ASSERT(answerTo(channel, 1, "secret").good == 1s);  // checked
    CPPUNIT_ASSERT(answerTo(channel, 2, "secret").good == 1s);  // remembered
    CPPUNIT_ASSERT(answerTo(channel, 3, "wrong").good == 0s);
    stopHelper();
    startHelper(2s);
    const Fd next = openChannel();
    CPPUNIT_ASSERT(answerTo(next, 1, "secret").good == 1s);
    std::this_thread::sleep_for(1'100ms);
    const auto rest = answerTo(next, 2, "secret").good;  // never longer than the helper's own memory
    CPPUNIT_ASSERT(rest > 0s && rest <= 900ms);
  }

  void orNotAtAllWhereNothingIsRemembered() {
    stopHelper();
    startHelper(0s);
    const LoginAnswer answer = answerTo(openChannel(), 1, "secret");
    CPPUNIT_ASSERT(answer.verdict == LoginVerdict::accepted && answer.good == 0s);
  }
};

class LoginDeskTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LoginDeskTest);
  CPPUNIT_TEST(aHelperThatDiesLeavesTheQuestionToTheNext);
  CPPUNIT_TEST(butNotToAThird);
  CPPUNIT_TEST(whatIsNoAnswerIsADeadHelper);
  CPPUNIT_TEST(whatWasJustAcceptedIsNotAsked);
  CPPUNIT_TEST(whatWasRejectedIsAskedAgain);
  CPPUNIT_TEST_SUITE_END();

  // A helper that takes one channel and the question on it.
  static std::pair<Fd, std::uint32_t> takeQuestion(const Fd& questions) {
    CPPUNIT_ASSERT(readable(questions, 10'000));
    auto channel = receiveChannel(questions.get());
    CPPUNIT_ASSERT(channel && *channel && readable(**channel, 10'000));
    const auto question = receiveQuestion((*channel)->get());
    CPPUNIT_ASSERT(question && *question);
    CPPUNIT_ASSERT_EQUAL(std::string("secret"), (*question)->login.password);
    return {std::move(**channel), (*question)->number};
  }

  // What the worker learns of helpers that live one after the other.
  template <class Helper>
  Result<LoginVerdict> outcome(std::initializer_list<Helper> helpers) {
    auto [asking, answering] = pairOfSockets();
    EventLoop loop;
    LoginDesk desk(loop, asking.get());
    const LoginRequest login = loginOf("secret");
    auto side = std::async(std::launch::async, [&, &at = answering] {
      for (const Helper& helper : helpers) helper(takeQuestion(at));
    });
    auto verdict = test::run(loop, desk.ask(login, in(std::chrono::seconds(10))));
    side.get();
    return verdict;
  }

  static void die(std::pair<Fd, std::uint32_t>) {}
  static void accept(std::pair<Fd, std::uint32_t> asked) {
    CPPUNIT_ASSERT(sendAnswer(asked.first.get(), {asked.second + 100, LoginVerdict::rejected}));  // nobody's
    CPPUNIT_ASSERT(sendAnswer(asked.first.get(), {asked.second, LoginVerdict::accepted}));
  }
  static void acceptForAWhile(std::pair<Fd, std::uint32_t> asked) {
    CPPUNIT_ASSERT(sendAnswer(asked.first.get(), {asked.second, LoginVerdict::accepted, 300ms}));
  }
  static void reject(std::pair<Fd, std::uint32_t> asked) {
    CPPUNIT_ASSERT(sendAnswer(asked.first.get(), {asked.second, LoginVerdict::rejected}));
  }
  static void talkNonsense(std::pair<Fd, std::uint32_t> asked) {
    CPPUNIT_ASSERT(sendWithFds(asked.first.get(), OctetSpan(reinterpret_cast<const std::uint8_t*>("?"), 1), {}));
  }

 public:
  void aHelperThatDiesLeavesTheQuestionToTheNext() {
    const auto verdict = outcome({&die, &accept});
    CPPUNIT_ASSERT(verdict && *verdict == LoginVerdict::accepted);
  }
  void butNotToAThird() {
    const auto verdict = outcome({&die, &die});
    CPPUNIT_ASSERT(!verdict && verdict.error().failure == Failure::general);
  }
  void whatIsNoAnswerIsADeadHelper() {
    const auto verdict = outcome({&talkNonsense, &accept});
    CPPUNIT_ASSERT(verdict && *verdict == LoginVerdict::accepted);
  }

  // Whether a desk that has been told `first` asks a helper once more about the other login, at `later`.
  template <class Helper>
  static bool asksAgain(Helper first, const LoginRequest& other, std::chrono::milliseconds later = 0ms) {
    auto [asking, answering] = pairOfSockets();
    EventLoop loop;
    LoginDesk desk(loop, asking.get());
    auto side = std::async(std::launch::async, [&, &at = answering] { first(takeQuestion(at)); });
    CPPUNIT_ASSERT(test::run(loop, desk.ask(loginOf("secret"), in(10s))));
    side.get();
    std::this_thread::sleep_for(later);
    const auto again = test::run(loop, desk.ask(other, in(100ms)));  // nobody answers
    CPPUNIT_ASSERT(again ? *again == LoginVerdict::accepted : again.error().failure == Failure::timedOut);
    return !again;
  }

  void whatWasJustAcceptedIsNotAsked() {
    CPPUNIT_ASSERT(!asksAgain(&acceptForAWhile, loginOf("secret")));
    CPPUNIT_ASSERT(asksAgain(&acceptForAWhile, loginOf("secret"), 310ms));
    CPPUNIT_ASSERT(asksAgain(&accept, loginOf("secret")));  // good for no time
    CPPUNIT_ASSERT(asksAgain(&acceptForAWhile, loginOf("Secret")));
    // Who is refused as a source must not learn by it which passwords are good.
    CPPUNIT_ASSERT(asksAgain(&acceptForAWhile, {"alice", "secret", *IpAddress::parse("192.0.2.1")}));
  }
  void whatWasRejectedIsAskedAgain() { CPPUNIT_ASSERT(asksAgain(&reject, loginOf("secret"))); }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AuthHelperTest);
CPPUNIT_TEST_SUITE_REGISTRATION(LoginDeskTest);

}  // namespace
}  // namespace crossgate
