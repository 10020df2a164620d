// SPDX-License-Identifier: BSD-2-Clause
// gateway/phrase: leading words, then pairs in any order.
#include "gateway/phrase.h"

#include <cppunit/extensions/HelperMacros.h>

namespace crossgate {
namespace {

class PhraseTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PhraseTest);
  CPPUNIT_TEST(pairsComeInAnyOrder);
  CPPUNIT_TEST(flagsStandAlone);
  CPPUNIT_TEST(mistakesAreNamed);
  CPPUNIT_TEST(splits);
  CPPUNIT_TEST_SUITE_END();

  static std::string mistake(const char* text) {
    const auto phrase = Phrase::parse(text, {"from", "to"}, {"log"});
    CPPUNIT_ASSERT_MESSAGE(text, !phrase.has_value());
    return phrase.error().detail;
  }

 public:
  void pairsComeInAnyOrder() {
    const auto phrase = Phrase::parse("permit\t this  to b from a", {"from", "to"});
    CPPUNIT_ASSERT(phrase.has_value());
    CPPUNIT_ASSERT(phrase->leading() == (std::vector<std::string>{"permit", "this"}));
    CPPUNIT_ASSERT_EQUAL(std::string("a"), phrase->value("from"));
    CPPUNIT_ASSERT_EQUAL(std::string("b"), phrase->value("to"));
    CPPUNIT_ASSERT(!Phrase::parse("permit", {"from"})->has("from"));
  }
  void flagsStandAlone() {
    const auto phrase = Phrase::parse("deny log to b", {"from", "to"}, {"log"});
    CPPUNIT_ASSERT(phrase->has("log"));
    CPPUNIT_ASSERT_EQUAL(std::string("b"), phrase->value("to"));
  }
  void mistakesAreNamed() {
    CPPUNIT_ASSERT_EQUAL(std::string("'to' is given twice"), mistake("permit to a to b"));
    CPPUNIT_ASSERT_EQUAL(std::string("'from' has no value"), mistake("permit from"));
    CPPUNIT_ASSERT_EQUAL(std::string("unknown word 'form'"), mistake("permit to a form b"));
    CPPUNIT_ASSERT_EQUAL(std::string("'log' is given twice"), mistake("permit log log"));
  }
  void splits() {
    CPPUNIT_ASSERT(splitList("a,,b", ',') == (std::vector<std::string>{"a", "", "b"}));
    CPPUNIT_ASSERT(splitWords("  ").empty());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(PhraseTest);

}  // namespace
}  // namespace crossgate
