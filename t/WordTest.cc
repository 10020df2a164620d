// SPDX-License-Identifier: BSD-2-Clause
// lib/word: options that are chosen by name.
#include "lib/word.h"

#include <cppunit/extensions/HelperMacros.h>

namespace crossgate {
namespace {

constexpr Word<int> numbers[] = {{"one", 1}, {"two", 2}};

class WordTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(WordTest);
  CPPUNIT_TEST(aWordSetsItsValue);
  CPPUNIT_TEST(anotherIsToldTheWordsThereAre);
  CPPUNIT_TEST(onlyTheWholeWordIsMeant);
  CPPUNIT_TEST_SUITE_END();

 public:
  void aWordSetsItsValue() {
    int number = 0;
    CPPUNIT_ASSERT(readWord("two", number, numbers).has_value());
    CPPUNIT_ASSERT_EQUAL(2, number);
  }
  void anotherIsToldTheWordsThereAre() {
    int number = 7;
    const auto read = readWord("three", number, numbers);
    CPPUNIT_ASSERT(read.error().failure == Failure::invalid);
    CPPUNIT_ASSERT_EQUAL(std::string("'three' is none of one, two"), read.error().detail);
    CPPUNIT_ASSERT_EQUAL(7, number);
  }
  void onlyTheWholeWordIsMeant() {
    int number = 0;
    for (const char* text : {"", "tw", "two ", "Two"}) CPPUNIT_ASSERT(!readWord(text, number, numbers));
    CPPUNIT_ASSERT_EQUAL(0, number);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(WordTest);

}  // namespace
}  // namespace crossgate
