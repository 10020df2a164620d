// SPDX-License-Identifier: BSD-2-Clause
// gateway/task and gateway/event_loop: waits, deadlines, and cancellation by destruction.
#include "gateway/event_loop.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/epoll.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "t/Loop.h"

namespace crossgate {
namespace {

using namespace std::chrono_literals;
using test::runUntilDone;

class EventLoopTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(EventLoopTest);
  CPPUNIT_TEST(aTaskIsLazyAndGivesItsResult);
  CPPUNIT_TEST(destroyingATaskDestroysWhatLivesInIt);
  CPPUNIT_TEST(readableWakesWhenOctetsCome);
  CPPUNIT_TEST(readableEndsAtItsDeadline);
  CPPUNIT_TEST(readerAndWriterHaveDeadlinesOfTheirOwn);
  CPPUNIT_TEST(roomIsAskedForOnlyByAWriter);
  CPPUNIT_TEST(aWaitThatIsDestroyedIsForgotten);
  CPPUNIT_TEST(aWokenReaderMayDestroyTheSocket);
  CPPUNIT_TEST(eitherOfTwoSocketsWakes);
  CPPUNIT_TEST(eitherWaitOfOneSocketWakes);
  CPPUNIT_TEST(anAlarmEndsAWaitForEither);
  CPPUNIT_TEST(anAlarmCanBePutOffAndBroughtForward);
  CPPUNIT_TEST(aSignalIsKeptForTheNextWait);
  CPPUNIT_TEST(aSignalEndsAtItsDeadline);
  CPPUNIT_TEST(whoRestsGoesOnAfterTheOthers);
  CPPUNIT_TEST(whoIsDestroyedRestingIsForgotten);
  CPPUNIT_TEST_SUITE_END();

  EventLoop loop_;

  struct Mark {
    explicit Mark(bool& gone) : gone_(gone) {}
    ~Mark() { gone_ = true; }
    bool& gone_;
  };

  static Task<int> seven(bool& ran) {
    ran = true;
    co_return 7;
  }
  static Task<int> twice(bool& ran) { co_return 2 * co_await seven(ran); }
  static Task<Wake> readableOf(Socket& socket, Deadline deadline) {
    socket.blockedReading();
    co_return co_await socket.readable(deadline);
  }
  static Task<Wake> writableOf(Socket& socket, Deadline deadline) {
    socket.blockedWriting();
    co_return co_await socket.writable(deadline);
  }
  static Task<void> holding(Socket& socket, bool& gone) {
    const Mark mark(gone);
    socket.blockedReading();
    co_await socket.readable(never);
  }
  // Which of them came: one, other or the alarm.
  static Task<char> firstOf(EitherSocket::Readiness one, EitherSocket::Readiness other, Alarm& alarm) {
    for (const auto& event : {one, other})
      event.reading ? event.socket.blockedReading() : event.socket.blockedWriting();
    EitherSocket wait(one, other, alarm);
    co_await wait;
    const auto came = [](const EitherSocket::Readiness& event) {
      return event.reading ? event.socket.mayRead() : event.socket.mayWrite();
    };
    co_return alarm.rang() ? 'a' : came(one) ? '1' : came(other) ? '2' : '-';
  }
  static Task<Wake> waiting(Signal& signal, Deadline deadline) { co_return co_await signal.wait(deadline); }
  static Task<void> resting(EventLoop& loop, std::string& order, char name, int times) {
    for (int i = 0; i < times; ++i) {
      order += name;
      co_await NextTurn(loop);
    }
  }
  // Destroys another that rests, as a relay that ends destroys its pumps.
  static Task<void> destroying(EventLoop& loop, std::string& order, Task<void>& other) {
    co_await NextTurn(loop);
    order += 'd';
    other.cancel();
  }
  static void ignore(void*) noexcept {}

  // What epoll tells of a descriptor; 0: nothing.
  static unsigned watched(int fd) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
      std::ifstream info(entry.path());
      for (std::string line; std::getline(info, line);) {
        int target = -1;
        unsigned events = 0;
        if (std::sscanf(line.c_str(), "tfd: %d events: %x", &target, &events) == 2 && target == fd) return events;
      }
    }
    return 0;
  }

 public:
  void aTaskIsLazyAndGivesItsResult() {
    bool ran = false;
    Task<int> task = twice(ran);
    CPPUNIT_ASSERT(!ran);
    CPPUNIT_ASSERT_EQUAL(14, test::run(loop_, std::move(task)));
  }
  void destroyingATaskDestroysWhatLivesInIt() {
    auto [ours, theirs] = test::tcpPair();
    Socket socket(loop_, std::move(theirs));
    bool gone = false;
    {
      Task<void> task = holding(socket, gone);
      task.start(&ignore, nullptr);
      CPPUNIT_ASSERT(!gone);
    }
    CPPUNIT_ASSERT(gone);
  }
  void readableWakesWhenOctetsCome() {
    auto [ours, theirs] = test::tcpPair();
    Socket socket(loop_, std::move(theirs));
    test::sendText(ours, "x");
    CPPUNIT_ASSERT(test::run(loop_, readableOf(socket, in(5s))) == Wake::ready);
  }
  void readableEndsAtItsDeadline() {
    auto [ours, theirs] = test::tcpPair();
    Socket socket(loop_, std::move(theirs));
    const auto begun = Clock::now();
    CPPUNIT_ASSERT(test::run(loop_, readableOf(socket, begun + 30ms)) == Wake::timedOut);
    CPPUNIT_ASSERT(Clock::now() >= begun + 30ms);
  }
  void readerAndWriterHaveDeadlinesOfTheirOwn() {
    auto [ours, theirs] = test::tcpPair();
    Socket socket(loop_, std::move(theirs));
    Task<Wake> reader = readableOf(socket, in(20ms));
    reader.start(&ignore, nullptr);
    CPPUNIT_ASSERT(test::run(loop_, writableOf(socket, in(5s))) == Wake::ready);
    const Deadline patience = in(5s);
    while (!reader.done() && Clock::now() < patience) loop_.turn();
    CPPUNIT_ASSERT(reader.done() && reader.result() == Wake::timedOut);
  }
  void roomIsAskedForOnlyByAWriter() {
    auto [ours, theirs] = test::tcpPair();
    Socket socket(loop_, std::move(theirs));
    Task<Wake> reader = readableOf(socket, in(5s));
    reader.start(&ignore, nullptr);
    CPPUNIT_ASSERT_EQUAL(unsigned{EPOLLIN}, watched(socket.fd()) & (EPOLLIN | EPOLLOUT));
    CPPUNIT_ASSERT(test::run(loop_, writableOf(socket, in(5s))) == Wake::ready);
    CPPUNIT_ASSERT_EQUAL(unsigned{EPOLLIN | EPOLLOUT}, watched(socket.fd()) & (EPOLLIN | EPOLLOUT));
    CPPUNIT_ASSERT(!reader.done());
    test::sendText(ours, "x");
    const Deadline patience = in(5s);
    while (!reader.done() && Clock::now() < patience) loop_.turn();
    CPPUNIT_ASSERT(reader.done() && reader.result() == Wake::ready);
  }
  void aWaitThatIsDestroyedIsForgotten() {
    auto [ours, theirs] = test::tcpPair();
    Socket socket(loop_, std::move(theirs));
    bool gone = false;
    {
      Task<void> task = holding(socket, gone);
      task.start(&ignore, nullptr);
    }
    test::sendText(ours, "x");
    // Nobody waits any more; the next reader sees that octets are there.
    CPPUNIT_ASSERT(test::run(loop_, readableOf(socket, in(5s))) == Wake::ready);
  }
  void aWokenReaderMayDestroyTheSocket() {
    auto [ours, theirs] = test::tcpPair();
    auto socket = std::make_unique<Socket>(loop_, std::move(theirs));
    bool gone = false;
    Task<void> reader = holding(*socket, gone);
    reader.start([](void* owned) noexcept { static_cast<std::unique_ptr<Socket>*>(owned)->reset(); },
                 &socket);
    test::sendText(ours, "x");
    const Deadline patience = in(5s);
    while (socket && Clock::now() < patience) loop_.turn();
    CPPUNIT_ASSERT(!socket);
  }
  void eitherOfTwoSocketsWakes() {
    auto [ours, theirs] = test::tcpPair();
    auto [oursToo, theirsToo] = test::tcpPair();
    Socket one(loop_, std::move(theirs));
    Socket other(loop_, std::move(theirsToo));
    Alarm alarm(loop_);
    alarm.set(in(5s));
    test::sendText(oursToo, "x");
    CPPUNIT_ASSERT_EQUAL('2', test::run(loop_, firstOf({one, true}, {other, true}, alarm)));
    test::sendText(ours, "x");
    CPPUNIT_ASSERT_EQUAL('1', test::run(loop_, firstOf({one, true}, {other, true}, alarm)));
    CPPUNIT_ASSERT(test::run(loop_, readableOf(other, in(10ms))) == Wake::timedOut);  // nothing is left behind
  }
  void eitherWaitOfOneSocketWakes() {
    auto [ours, theirs] = test::tcpPair();
    Socket socket(loop_, std::move(theirs));
    Alarm alarm(loop_);
    alarm.set(in(5s));
    CPPUNIT_ASSERT_EQUAL('2', test::run(loop_, firstOf({socket, true}, {socket, false}, alarm)));
    test::sendText(ours, "x");
    CPPUNIT_ASSERT_EQUAL('1', test::run(loop_, firstOf({socket, true}, {socket, true}, alarm)));
  }
  void anAlarmEndsAWaitForEither() {
    auto [ours, theirs] = test::tcpPair();
    Socket socket(loop_, std::move(theirs));
    Alarm alarm(loop_);
    alarm.set(in(10ms));
    CPPUNIT_ASSERT_EQUAL('a', test::run(loop_, firstOf({socket, true}, {socket, true}, alarm)));
  }
  void anAlarmCanBePutOffAndBroughtForward() {
    auto [ours, theirs] = test::tcpPair();
    Socket socket(loop_, std::move(theirs));
    Alarm alarm(loop_);
    const Deadline later = in(60ms);
    alarm.set(in(10ms));
    alarm.set(later);
    CPPUNIT_ASSERT_EQUAL('a', test::run(loop_, firstOf({socket, true}, {socket, true}, alarm)));
    CPPUNIT_ASSERT(Clock::now() >= later);
    Alarm sooner(loop_);
    sooner.set(in(60s));
    sooner.set(in(10ms));
    CPPUNIT_ASSERT_EQUAL('a', test::run(loop_, firstOf({socket, true}, {socket, true}, sooner)));
  }
  void aSignalIsKeptForTheNextWait() {
    Signal signal(loop_);
    signal.notify();
    CPPUNIT_ASSERT(test::run(loop_, waiting(signal, in(5s))) == Wake::ready);
    CPPUNIT_ASSERT(test::run(loop_, waiting(signal, in(10ms))) == Wake::timedOut);
  }
  void aSignalEndsAtItsDeadline() {
    Signal signal(loop_);
    CPPUNIT_ASSERT(test::run(loop_, waiting(signal, in(10ms))) == Wake::timedOut);
  }
  void whoRestsGoesOnAfterTheOthers() {
    auto [ours, theirs] = test::tcpPair();
    Socket socket(loop_, std::move(theirs));
    std::string order;
    Task<void> a = resting(loop_, order, 'a', 1000);
    a.start(&ignore, nullptr);
    Task<void> b = resting(loop_, order, 'b', 3);
    b.start(&ignore, nullptr);
    test::sendText(ours, "x");
    CPPUNIT_ASSERT(test::run(loop_, readableOf(socket, in(5s))) == Wake::ready);
    CPPUNIT_ASSERT_MESSAGE("resting held up the socket", !a.done());
    while (!b.done()) loop_.turn();
    CPPUNIT_ASSERT_EQUAL(std::string("ababab"), order.substr(0, 6));
    while (!a.done()) loop_.turn();
  }
  void whoIsDestroyedRestingIsForgotten() {
    std::string order;
    Task<void> victim = resting(loop_, order, 'v', 3);
    Task<void> destroyer = destroying(loop_, order, victim);
    destroyer.start(&ignore, nullptr);
    victim.start(&ignore, nullptr);
    Task<void> last = resting(loop_, order, 'l', 2);
    test::runUntilDone(loop_, last);
    CPPUNIT_ASSERT_EQUAL(std::string("vldl"), order);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(EventLoopTest);

}  // namespace
}  // namespace crossgate
