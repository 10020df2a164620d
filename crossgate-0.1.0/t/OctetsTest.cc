// SPDX-License-Identifier: BSD-2-Clause
// lib/octets: no read passes the end, network byte order, nothing is cut off silently.
#include "lib/octets.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "t/Support.h"

namespace crossgate {
namespace {

using test::octets;
using test::toHex;

// How a child that runs `action` ends: the signal, or 0.
template <class Action>
int signalOf(Action action) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    std::signal(SIGABRT, SIG_DFL);
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
    action();
    _exit(0);
  }
  int status = 0;
  CPPUNIT_ASSERT(child > 0 && waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

class OctetsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(OctetsTest);
  CPPUNIT_TEST(readsInNetworkByteOrder);
  CPPUNIT_TEST(aReadPastTheEndGivesZeroAndStays);
  CPPUNIT_TEST(aHugeCountIsNotThere);
  CPPUNIT_TEST(onceFailedItStaysFailed);
  CPPUNIT_TEST(anEmptySpanHoldsNothing);
  CPPUNIT_TEST(textKeepsNul);
  CPPUNIT_TEST(restTakesAll);
  CPPUNIT_TEST(writesInNetworkByteOrder);
  CPPUNIT_TEST(writerAppends);
  CPPUNIT_TEST(aTextTooLongForItsLengthEndsTheProcess);
  CPPUNIT_TEST(decodeWholeMovesOnlyWhenComplete);
  CPPUNIT_TEST_SUITE_END();

  void readsInNetworkByteOrder() {
    const Octets data = octets("01 fe dc 61 62");
    Reader reader(data);
    CPPUNIT_ASSERT_EQUAL(1, static_cast<int>(reader.u8()));
    CPPUNIT_ASSERT_EQUAL(0xfedc, static_cast<int>(reader.u16()));
    CPPUNIT_ASSERT_EQUAL(std::string("ab"), reader.text(2));
    CPPUNIT_ASSERT(reader.ok());
    CPPUNIT_ASSERT_EQUAL(std::size_t{5}, reader.position());
    CPPUNIT_ASSERT_EQUAL(std::size_t{0}, reader.remaining());
  }

  void aReadPastTheEndGivesZeroAndStays() {
    const Octets data = octets("ff");
    Reader reader(data);
    CPPUNIT_ASSERT_EQUAL(0, static_cast<int>(reader.u16()));
    CPPUNIT_ASSERT(!reader.ok());
    CPPUNIT_ASSERT_EQUAL(std::size_t{0}, reader.position());
  }

  void aHugeCountIsNotThere() {
    const Octets data = octets("01 02");
    Reader reader(data);
    reader.u8();
    CPPUNIT_ASSERT(reader.take(static_cast<std::size_t>(-1)).empty());
    CPPUNIT_ASSERT(!reader.ok());
    CPPUNIT_ASSERT_EQUAL(std::size_t{1}, reader.position());
  }

  void onceFailedItStaysFailed() {
    const Octets data = octets("01 02");
    Reader reader(data);
    CPPUNIT_ASSERT(reader.take(3).empty());
    CPPUNIT_ASSERT_EQUAL(0, static_cast<int>(reader.u8()));
    CPPUNIT_ASSERT_EQUAL(std::string(), reader.text(1));
    CPPUNIT_ASSERT(reader.rest().empty());
    CPPUNIT_ASSERT(!reader.ok());
  }

  void anEmptySpanHoldsNothing() {
    Reader reader{OctetSpan{}};
    CPPUNIT_ASSERT(reader.ok());
    CPPUNIT_ASSERT(reader.take(0).empty());
    CPPUNIT_ASSERT(reader.ok());
    CPPUNIT_ASSERT_EQUAL(0, static_cast<int>(reader.u8()));
    CPPUNIT_ASSERT(!reader.ok());
  }

  void textKeepsNul() {
    const Octets data = octets("61 00 62");
    Reader reader(data);
    CPPUNIT_ASSERT_EQUAL(std::string("a\0b", 3), reader.text(3));
  }

  void restTakesAll() {
    const Octets data = octets("01 02 03");
    Reader reader(data);
    reader.u8();
    CPPUNIT_ASSERT_EQUAL(std::string("02 03"), toHex(reader.rest()));
    CPPUNIT_ASSERT(reader.rest().empty());
    CPPUNIT_ASSERT(reader.ok());
  }

  void writesInNetworkByteOrder() {
    Octets out;
    Writer(out).u8(5).u16(0x0102).text8("abc").text("d").octets(octets("ff 00"));
    CPPUNIT_ASSERT_EQUAL(std::string("05 01 02 03 61 62 63 64 ff 00"), toHex(out));
  }

  void writerAppends() {
    Octets out = octets("aa");
    Writer(out).u8(0xbb);
    CPPUNIT_ASSERT_EQUAL(std::string("aa bb"), toHex(out));
  }

  void aTextTooLongForItsLengthEndsTheProcess() {
    Octets out;
    Writer(out).text8(std::string(255, 'x'));
    CPPUNIT_ASSERT_EQUAL(std::size_t{256}, out.size());
    CPPUNIT_ASSERT_EQUAL(0, signalOf([&] { Writer(out).text8(std::string(255, 'x')); }));
    CPPUNIT_ASSERT_EQUAL(SIGABRT, signalOf([&] { Writer(out).text8(std::string(256, 'x')); }));
  }

  void decodeWholeMovesOnlyWhenComplete() {
    const Octets data = octets("01 02 03");
    Reader reader(data);
    const auto two = [](Reader& in) -> Decoded<int> { return std::optional<int>(in.u16()); };
    const auto bad = [](Reader& in) -> Decoded<int> {
      in.u8();
      return malformed("no");
    };
    CPPUNIT_ASSERT(!decodeWhole<int>(reader, bad));
    CPPUNIT_ASSERT_EQUAL(std::size_t{0}, reader.position());
    CPPUNIT_ASSERT_EQUAL(0x0102, **decodeWhole<int>(reader, two));
    CPPUNIT_ASSERT_EQUAL(std::size_t{2}, reader.position());
    CPPUNIT_ASSERT(!decodeWhole<int>(reader, two)->has_value());
    CPPUNIT_ASSERT_EQUAL(std::size_t{2}, reader.position());
    CPPUNIT_ASSERT(reader.ok());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(OctetsTest);

}  // namespace
}  // namespace crossgate
