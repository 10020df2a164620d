// SPDX-License-Identifier: BSD-2-Clause
// gateway/socket_owner: whose the other end is, of both kinds and families, and when nobody can say.
#include "gateway/socket_owner.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include "gateway/local_socket.h"
#include "t/Loop.h"

namespace crossgate {
namespace {

class SocketOwnerTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SocketOwnerTest);
  CPPUNIT_TEST(aConnectionIsItsProcesssUsers);
  CPPUNIT_TEST(aClosedSocketIsNobodys);
  CPPUNIT_TEST(datagramsAreTheirSocketsUsers);
  CPPUNIT_TEST(anotherUserIsDenied);
  CPPUNIT_TEST_SUITE_END();

  static Endpoint placeOf(const Fd& fd) { return *localEndpoint(fd.get()); }

 public:
  void aConnectionIsItsProcesssUsers() {
    const auto [theirs, ours] = test::tcpPair();
    const auto owner = ownerOf(SocketKind::stream, placeOf(theirs), placeOf(ours));
    CPPUNIT_ASSERT(owner.has_value());
    CPPUNIT_ASSERT_EQUAL(geteuid(), *owner);
    CPPUNIT_ASSERT(checkOwner(geteuid(), SocketKind::stream, placeOf(theirs), placeOf(ours)).has_value());
  }

  // It would read as root's.
  void aClosedSocketIsNobodys() {
    auto [theirs, ours] = test::tcpPair();
    const Endpoint place = placeOf(theirs);
    theirs.reset();
    CPPUNIT_ASSERT(!ownerOf(SocketKind::stream, place, placeOf(ours)));
    CPPUNIT_ASSERT(!ownerOf(SocketKind::stream, {place.address, 1}, placeOf(ours)));
  }

  void datagramsAreTheirSocketsUsers() {
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      Fd theirs = *openDatagramSocket(IpAddress::loopback(family), {});
      const Fd ours = *openDatagramSocket(IpAddress::loopback(family), {});
      const Endpoint place = placeOf(theirs);
      const auto owner = ownerOf(SocketKind::datagram, place, placeOf(ours));
      CPPUNIT_ASSERT(owner.has_value());
      CPPUNIT_ASSERT_EQUAL(geteuid(), *owner);
      theirs.reset();
      CPPUNIT_ASSERT(!ownerOf(SocketKind::datagram, place, placeOf(ours)));
    }
  }

  void anotherUserIsDenied() {
    const auto [theirs, ours] = test::tcpPair();
    const auto checked = checkOwner(geteuid() + 1, SocketKind::stream, placeOf(theirs), placeOf(ours));
    CPPUNIT_ASSERT(!checked);
    CPPUNIT_ASSERT(checked.error().failure == Failure::denied);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SocketOwnerTest);

}  // namespace
}  // namespace crossgate
