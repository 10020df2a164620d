// SPDX-License-Identifier: BSD-2-Clause
// gateway/reassembly: what becomes whole, what is abandoned, and when (RFC 1928, section 7).
#include "gateway/reassembly.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace crossgate {
namespace {

constexpr std::string_view somewhere("\0\0\0\1\xc6\x33\x64\2\0\7", 10);
constexpr std::string_view elsewhere("\0\0\0\1\xc6\x33\x64\2\0\x9", 10);

class ReassemblyTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ReassemblyTest);
  CPPUNIT_TEST(aSequenceInOrderBecomesWhole);
  CPPUNIT_TEST(oneFragmentMayBeAll);
  CPPUNIT_TEST(aSequenceHas127Fragments);
  CPPUNIT_TEST(aLowerPositionAbandons);
  CPPUNIT_TEST(aGapAbandons);
  CPPUNIT_TEST(theSamePositionAbandons);
  CPPUNIT_TEST(theFirstPositionBeginsAnew);
  CPPUNIT_TEST(aDatagramThatStandsAloneAbandons);
  CPPUNIT_TEST(aSequenceHasOneDestination);
  CPPUNIT_TEST(theTimerAbandons);
  CPPUNIT_TEST(noSequenceIsLargerThanADatagram);
  CPPUNIT_TEST(nothingIsKeptOfWhatIsOver);
  CPPUNIT_TEST_SUITE_END();

  Reassembly reassembly_;
  Reassembly::Time now_{};

  // The payload of what has become whole; "-" when nothing has.
  std::string add(unsigned fragment, std::string_view payload, std::string_view header = somewhere) {
    Octets datagram(header.begin(), header.end());
    datagram.at(2) = static_cast<std::uint8_t>(fragment);
    datagram.insert(datagram.end(), payload.begin(), payload.end());
    const auto whole = reassembly_.add(datagram, header.size(), now_);
    if (!whole) return "-";
    const std::string text(whole->begin(), whole->end());
    CPPUNIT_ASSERT_EQUAL(std::string(header), text.substr(0, header.size()));
    return text.substr(header.size());
  }
  void dropped(std::uint64_t wanted) { CPPUNIT_ASSERT_EQUAL(wanted, reassembly_.dropped()); }
  static void is(const std::string& wanted, const std::string& seen) { CPPUNIT_ASSERT_EQUAL(wanted, seen); }

 public:
  void aSequenceInOrderBecomesWhole() {
    for (int round = 0; round < 3; ++round) {
      is("-", add(1, "in "));
      is("-", add(2, "good "));
      is("in good order", add(0x83, "order"));
    }
    dropped(0);
  }
  void oneFragmentMayBeAll() {
    is("alone", add(0x81, "alone"));
    is("", add(0x81, ""));
    dropped(0);
  }
  void aSequenceHas127Fragments() {
    for (unsigned i = 1; i < 127; ++i) is("-", add(i, "x"));
    is(std::string(127, 'x'), add(0xff, "x"));
    for (unsigned i = 1; i <= 127; ++i) is("-", add(i, "x"));
    is("-", add(0x80, "there is no 128th"));
    dropped(128);
  }
  void aLowerPositionAbandons() {
    is("-", add(2, "out "));
    is("-", add(1, "of "));
    is("-", add(0x83, "order"));
    dropped(3);
    is("-", add(1, "a"));
    is("-", add(2, "b"));
    is("-", add(3, "c"));
    is("-", add(2, "b"));
    is("-", add(0x84, "d"));
    dropped(3 + 5);
  }
  void aGapAbandons() {
    is("-", add(1, "one is "));
    is("-", add(0x83, "lost"));
    dropped(2);
    is("-", add(0x82, "too late"));
    dropped(3);
  }
  // It may be the middle of the next datagram, whose beginning was lost: to keep the one that is there and to
  // go on would make one datagram of two.
  void theSamePositionAbandons() {
    is("-", add(1, "a"));
    is("-", add(2, "b"));
    is("-", add(2, "B"));
    is("-", add(0x83, "C"));
    dropped(4);
  }
  void theFirstPositionBeginsAnew() {
    is("-", add(1, "lost"));
    is("-", add(1, "begun "));
    is("begun anew", add(0x82, "anew"));
    dropped(1);
  }
  void aDatagramThatStandsAloneAbandons() {
    reassembly_.interrupt();
    dropped(0);
    is("-", add(1, "a"));
    reassembly_.interrupt();
    dropped(1);
    is("-", add(0x82, "b"));
    dropped(2);
  }
  void aSequenceHasOneDestination() {
    is("-", add(1, "a"));
    is("-", add(0x82, "b", elsewhere));
    dropped(2);
    is("-", add(1, "a"));
    is("elsewhere", add(0x81, "elsewhere", elsewhere));
    dropped(3);
  }
  void theTimerAbandons() {
    CPPUNIT_ASSERT(Reassembly::patience >= std::chrono::seconds(5));
    is("-", add(1, "a"));
    now_ += Reassembly::patience - std::chrono::milliseconds(1);
    is("-", add(2, "b"));
    now_ += std::chrono::milliseconds(1);
    is("-", add(0x83, "c"));
    dropped(3);
    is("-", add(1, "a"));
    now_ += Reassembly::patience - std::chrono::milliseconds(1);
    is("ab", add(0x82, "b"));
    dropped(3);
  }
  void noSequenceIsLargerThanADatagram() {
    const std::string half(Reassembly::maxPayload / 2 + 1, 'x');
    is("-", add(1, half));
    is("-", add(0x82, half));
    dropped(2);
    const std::string most(Reassembly::maxPayload - 1, 'x');
    is("-", add(1, most));
    is(most + "y", add(0x82, "y"));
    dropped(2);
  }
  void nothingIsKeptOfWhatIsOver() {
    add(1, std::string(60000, 'x'));
    CPPUNIT_ASSERT(reassembly_.held() >= 60000);
    reassembly_.interrupt();
    CPPUNIT_ASSERT_EQUAL(std::size_t{0}, reassembly_.held());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ReassemblyTest);

}  // namespace
}  // namespace crossgate
