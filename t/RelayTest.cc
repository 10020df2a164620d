// SPDX-License-Identifier: BSD-2-Clause
// gateway/relay: both ways, half-close, reset, timeouts, and what a slow reader may cost.
#include "gateway/relay.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <unistd.h>

#include <thread>

#include "gateway/socket_options.h"
#include "t/Loop.h"

namespace crossgate {
namespace {

using namespace std::chrono_literals;

class RelayTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RelayTest);
  CPPUNIT_TEST(carriesBothWaysAndCounts);
  CPPUNIT_TEST(earlyOctetsGoFirst);
  CPPUNIT_TEST(aDirectionThatEndsLeavesTheOtherOpen);
  CPPUNIT_TEST(bulkArrivesWhole);
  CPPUNIT_TEST(aSlowReaderHoldsTheSender);
  CPPUNIT_TEST(aSideThatNeverWaitsLeavesOthersTheirTurn);
  CPPUNIT_TEST(aTurnIsNotLongerForSmallMessages);
  CPPUNIT_TEST(aResetIsPassedOn);
  CPPUNIT_TEST(aResetBehindOctetsIsSeen);
  CPPUNIT_TEST(whatIsDiscardedLeavesOthersTheirTurn);
  CPPUNIT_TEST(anIdleRelayEnds);
  CPPUNIT_TEST(aRelayThatIsBusyWithoutAWaitIsNotIdle);
  CPPUNIT_TEST(aHalfClosedRelayEndsSooner);
  CPPUNIT_TEST_SUITE_END();

  // The client's and the destination's own ends are blocking; the relay stands between.
  struct Between {
    explicit Between(EventLoop& loop) {
      auto c = test::tcpPair();
      auto d = test::tcpPair();
      client = std::move(c.first);
      destination = std::move(d.first);
      clientSide = std::make_unique<PlainStream>(loop, std::move(c.second));
      destinationSide = std::make_unique<PlainStream>(loop, std::move(d.second));
    }
    Task<RelayEnd> relayed(RelayTimeouts timeouts = {60s, 60s}) {
      return relay(pipes, *clientSide, *destinationSide, early, timeouts, traffic);
    }
    Fd client, destination;
    PipePool pipes;
    std::unique_ptr<PlainStream> clientSide, destinationSide;
    Inbox early;
    Traffic traffic;
  };

  // Always has octets, and always takes them.
  struct Endless final : Stream {
    explicit Endless(EventLoop& loop, std::size_t most = SIZE_MAX)
        : piece(most), pair(test::tcpPair()), place(loop, std::move(pair.second)) {}
    Io read(std::span<std::uint8_t> into) override { return {Io::State::done, std::min(into.size(), piece), 0}; }
    Io write(OctetSpan from) override { return {Io::State::done, from.size(), 0}; }
    Io finish() override { return {Io::State::done, 0, 0}; }
    Socket& socket() noexcept override { return place; }
    std::size_t piece;  // that one read gives
    std::pair<Fd, Fd> pair;
    Socket place;
  };

  // The same from the second look on and up to a time; otherwise it is silent.
  struct EndlessUntil final : Stream {
    EndlessUntil(EventLoop& loop, Deadline time) : endless(loop), until(time) {}
    Io read(std::span<std::uint8_t> into) override {
      if (std::exchange(looked, true) && Clock::now() < until) {
        last = Clock::now();
        return endless.read(into);
      }
      endless.place.blockedReading();
      return {Io::State::wantRead, 0, 0};
    }
    Io write(OctetSpan from) override { return endless.write(from); }
    Io finish() override { return endless.finish(); }
    Socket& socket() noexcept override { return endless.place; }
    Endless endless;
    Deadline until, last;
    bool looked = false;
  };

  EventLoop loop_;

  static std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + (i >> 11));
    return text;
  }

 public:
  void carriesBothWaysAndCounts() {
    Between b(loop_);
    test::sendText(b.client, "question");
    test::sendText(b.destination, "answer!");
    shutdown(b.client.get(), SHUT_WR);
    shutdown(b.destination.get(), SHUT_WR);
    CPPUNIT_ASSERT(test::run(loop_, b.relayed()) == RelayEnd::finished);
    b.clientSide.reset();
    b.destinationSide.reset();
    CPPUNIT_ASSERT_EQUAL(std::string("question"), test::receiveUntilEnd(b.destination));
    CPPUNIT_ASSERT_EQUAL(std::string("answer!"), test::receiveUntilEnd(b.client));
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{8}, b.traffic.sent);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, b.traffic.received);
  }
  void earlyOctetsGoFirst() {
    Between b(loop_);
    const std::string early = "early ";
    b.early.append({reinterpret_cast<const std::uint8_t*>(early.data()), early.size()});
    test::sendText(b.client, "late");
    shutdown(b.client.get(), SHUT_WR);
    shutdown(b.destination.get(), SHUT_WR);
    CPPUNIT_ASSERT(test::run(loop_, b.relayed()) == RelayEnd::finished);
    b.destinationSide.reset();
    CPPUNIT_ASSERT_EQUAL(std::string("early late"), test::receiveUntilEnd(b.destination));
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{10}, b.traffic.sent);
  }
  void aDirectionThatEndsLeavesTheOtherOpen() {
    Between b(loop_);
    std::thread server([&] {
      const std::string asked = test::receiveUntilEnd(b.destination);  // ends by the client's FIN
      test::sendText(b.destination, "got " + asked);
      b.destination.reset();
    });
    test::sendText(b.client, "all");
    shutdown(b.client.get(), SHUT_WR);
    const RelayEnd end = test::run(loop_, b.relayed());
    server.join();
    b.clientSide.reset();
    CPPUNIT_ASSERT(end == RelayEnd::finished);
    CPPUNIT_ASSERT_EQUAL(std::string("got all"), test::receiveUntilEnd(b.client));
  }
  void bulkArrivesWhole() {
    Between b(loop_);
    const std::string up = pattern(3'000'001), down = pattern(2'000'003);
    std::string gotUp, gotDown;
    std::thread sendUp([&] {
      test::sendText(b.client, up);
      shutdown(b.client.get(), SHUT_WR);
    });
    std::thread sendDown([&] {
      test::sendText(b.destination, down);
      shutdown(b.destination.get(), SHUT_WR);
    });
    std::thread readUp([&] { gotUp = test::receiveUntilEnd(b.destination); });
    std::thread readDown([&] { gotDown = test::receiveUntilEnd(b.client); });
    const RelayEnd end = test::run(loop_, b.relayed());
    b.clientSide.reset();
    b.destinationSide.reset();
    for (std::thread* thread : {&sendUp, &sendDown, &readUp, &readDown}) thread->join();
    CPPUNIT_ASSERT(end == RelayEnd::finished);
    CPPUNIT_ASSERT(gotUp == up);
    CPPUNIT_ASSERT(gotDown == down);
  }
  void aSlowReaderHoldsTheSender() {
    Between b(loop_);
    fcntl(b.client.get(), F_SETFL, O_NONBLOCK);
    Task<RelayEnd> task = b.relayed();
    task.start([](void*) noexcept {}, nullptr);
    const std::string chunk = pattern(65536);
    // Nobody reads at the destination: what goes in is what the buffers of the kernel and one pipe hold.
    std::size_t taken = 0;
    Event tick(
        loop_, -1, EV_PERSIST, [](int, short, void*) noexcept {}, nullptr);
    for (int quietRounds = 0; quietRounds < 20;) {
      const ssize_t count = send(b.client.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL);
      quietRounds = count > 0 ? 0 : quietRounds + 1;
      if (count > 0) taken += static_cast<std::size_t>(count);
      tick.addUntil(in(2ms));
      loop_.turn();
    }
    CPPUNIT_ASSERT_MESSAGE("taken: " + std::to_string(taken), taken < 64'000'000);
    CPPUNIT_ASSERT(b.traffic.sent <= taken);
    CPPUNIT_ASSERT(!task.done());
  }
  void aSideThatNeverWaitsLeavesOthersTheirTurn() {
    Endless client(loop_), destination(loop_);
    PipePool pipes;
    Inbox early;
    Traffic traffic;
    alarm(10);  // a relay that leaves nobody a turn does not come back to the test either
    Task<RelayEnd> task = relay(pipes, client, destination, early, {60s, 60s}, traffic);
    task.start([](void*) noexcept {}, nullptr);
    bool rung = false;
    Event bell(
        loop_, -1, 0, [](int, short, void* it) noexcept { *static_cast<bool*>(it) = true; }, &rung);
    bell.addUntil(in(1ms));
    while (!rung) loop_.turn();
    alarm(0);
    CPPUNIT_ASSERT(!task.done());
    CPPUNIT_ASSERT(traffic.sent > 0 && traffic.received > 0);
  }
  void aTurnIsNotLongerForSmallMessages() {
    Endless client(loop_, 1), destination(loop_, 1);
    PipePool pipes;
    Inbox early;
    Traffic traffic;
    Task<RelayEnd> task = relay(pipes, client, destination, early, {60s, 60s}, traffic);
    task.start([](void*) noexcept {}, nullptr);  // comes back after the first turn
    CPPUNIT_ASSERT(traffic.sent > 0 && traffic.sent < 5000);
  }
  void aResetIsPassedOn() {
    Between b(loop_);
    resetOnClose(b.client.get());
    b.client.reset();
    CPPUNIT_ASSERT(test::run(loop_, b.relayed()) == RelayEnd::resetByClient);
    b.clientSide.reset();
    b.destinationSide.reset();
    char octet;
    CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, recv(b.destination.get(), &octet, 1, 0));
    CPPUNIT_ASSERT_EQUAL(ECONNRESET, errno);
  }
  void aResetBehindOctetsIsSeen() {
    Between b(loop_);
    Task<RelayEnd> task = b.relayed({60s, 60s});
    std::thread server([&] {
      std::this_thread::sleep_for(20ms);  // the relay waits on its sockets by now
      test::sendText(b.destination, "last words");
      resetOnClose(b.destination.get());
      b.destination.reset();
    });
    test::runUntilDone(loop_, task);
    server.join();
    CPPUNIT_ASSERT(task.result() == RelayEnd::resetByDestination);
  }
  void whatIsDiscardedLeavesOthersTheirTurn() {
    Endless stream(loop_);
    bool rang = false;
    Event bell(loop_, -1, 0, [](int, short, void* at) noexcept { *static_cast<bool*>(at) = true; }, &rang);
    bell.addUntil(in(1ms));
    const Deadline until = in(300ms);
    Task<void> task = discard(stream, until);
    test::runUntilDone(loop_, task);
    CPPUNIT_ASSERT(rang);
    CPPUNIT_ASSERT(Clock::now() >= until);
  }
  void anIdleRelayEnds() {
    Between b(loop_);
    CPPUNIT_ASSERT(test::run(loop_, b.relayed({1s, 60s})) == RelayEnd::idle);
  }
  void aRelayThatIsBusyWithoutAWaitIsNotIdle() {
    const Deadline until = in(1500ms);
    EndlessUntil client(loop_, until);
    EndlessUntil destination(loop_, until);
    PipePool pipes;
    Inbox early;
    Traffic traffic;
    test::sendText(client.endless.pair.first, "x");
    const auto end = test::run(loop_, relay(pipes, client, destination, early, {1s, 1s}, traffic));
    CPPUNIT_ASSERT(end == RelayEnd::idle);
    const Deadline last = std::max(client.last, destination.last);
    CPPUNIT_ASSERT_MESSAGE("it ended while it was busy", Clock::now() >= last + 900ms);
  }
  void aHalfClosedRelayEndsSooner() {
    Between b(loop_);
    shutdown(b.client.get(), SHUT_WR);
    CPPUNIT_ASSERT(test::run(loop_, b.relayed({60s, 1s})) == RelayEnd::idle);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(RelayTest);

}  // namespace
}  // namespace crossgate
