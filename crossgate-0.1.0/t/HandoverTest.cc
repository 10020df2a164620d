// SPDX-License-Identifier: BSD-2-Clause
// gateway/handover and gateway/scoreboard: what the master and a worker tell each other.
#include "gateway/handover.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/Loop.h"

namespace crossgate {
namespace {

class HandoverTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(HandoverTest);
  CPPUNIT_TEST(clientsArriveWithTheirDescriptors);
  CPPUNIT_TEST(anEmptyQueueIsNothing);
  CPPUNIT_TEST(theOtherOrdersArrive);
  CPPUNIT_TEST(aMasterThatDiesIsNoticed);
  CPPUNIT_TEST(whatIsNoMessageIsAnError);
  CPPUNIT_TEST(ticketsComeBackInOrder);
  CPPUNIT_TEST(aRingWrapsAround);
  CPPUNIT_TEST_SUITE_END();

  Fd master_, worker_;

 public:
  void setUp() override {
    int ends[2];
    CPPUNIT_ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) == 0);
    master_ = Fd(ends[0]);
    worker_ = Fd(ends[1]);
  }
  void tearDown() override {
    master_.reset();
    worker_.reset();
  }

  void clientsArriveWithTheirDescriptors() {
    auto [first, firstEnd] = test::tcpPair();
    auto [second, secondEnd] = test::tcpPair();
    std::vector<Client> clients;
    clients.push_back({std::move(firstEnd), *Endpoint::parse("192.0.2.9:4000"), 17});
    clients.push_back({std::move(secondEnd), *Endpoint::parse("[2001:db8::9]:4001"), 18});
    CPPUNIT_ASSERT(sendClients(master_.get(), clients).has_value());
    clients.clear();
    const auto orders = receiveOrders(worker_.get());
    CPPUNIT_ASSERT(orders.has_value());
    CPPUNIT_ASSERT(orders->kind == Orders::Kind::clients);
    CPPUNIT_ASSERT_EQUAL(std::size_t{2}, orders->clients.size());
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.9:4000"), orders->clients[0].peer.toString());
    CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::9]:4001"), orders->clients[1].peer.toString());
    CPPUNIT_ASSERT_EQUAL(Scoreboard::Ticket{18}, orders->clients[1].ticket);
    test::sendText(second, "x");
    char octet = 0;
    CPPUNIT_ASSERT_EQUAL(ssize_t{1}, recv(orders->clients[1].fd.get(), &octet, 1, 0));
  }
  void anEmptyQueueIsNothing() {
    CPPUNIT_ASSERT(receiveOrders(worker_.get())->kind == Orders::Kind::nothing);
  }
  void theOtherOrdersArrive() {
    CPPUNIT_ASSERT(sendNoMore(master_.get()).has_value());
    CPPUNIT_ASSERT(sendEndNow(master_.get()).has_value());
    CPPUNIT_ASSERT(receiveOrders(worker_.get())->kind == Orders::Kind::noMore);
    CPPUNIT_ASSERT(receiveOrders(worker_.get())->kind == Orders::Kind::endNow);
  }
  void aMasterThatDiesIsNoticed() {
    master_.reset();
    CPPUNIT_ASSERT(receiveOrders(worker_.get())->kind == Orders::Kind::masterGone);
  }
  void whatIsNoMessageIsAnError() {
    for (const std::size_t size : {1U, 7U, 8U, 12U}) {
      const Octets junk(size, 0xff);
      CPPUNIT_ASSERT(send(master_.get(), junk.data(), junk.size(), 0) > 0);
      CPPUNIT_ASSERT(!receiveOrders(worker_.get()).has_value());
    }
  }
  void ticketsComeBackInOrder() {
    Scoreboard board(2, 4);
    const pid_t child = fork();
    if (child == 0) {
      board.finish(1, 30);
      board.finish(1, 10);
      _exit(0);
    }
    waitpid(child, nullptr, 0);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, board.finished(0));
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, board.finished(1));
    CPPUNIT_ASSERT_EQUAL(Scoreboard::Ticket{30}, board.ticketOf(1, 0));
    CPPUNIT_ASSERT_EQUAL(Scoreboard::Ticket{10}, board.ticketOf(1, 1));
    board.reset(1);
    CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, board.finished(1));
  }
  void aRingWrapsAround() {
    Scoreboard board(1, 2);
    for (Scoreboard::Ticket ticket = 0; ticket < 7; ++ticket) {
      board.finish(0, ticket);
      CPPUNIT_ASSERT_EQUAL(ticket, board.ticketOf(0, board.finished(0) - 1));
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(HandoverTest);

}  // namespace
}  // namespace crossgate
