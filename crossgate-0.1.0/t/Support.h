// SPDX-License-Identifier: BSD-2-Clause
// What the unit tests share: octets written as they stand in an RFC's diagram, and the checks that
// every decoder has to pass at every split point.
#pragma once

#include <cppunit/TestAssert.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/octets.h"

namespace crossgate::test {

inline std::string toHex(OctetSpan octets) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t octet : octets) {
    if (!text.empty()) text += ' ';
    text += {digits[octet >> 4], digits[octet & 0xf]};
  }
  return text;
}

/// "05 01 00" and, between quotes, text: "05 01 00 03 0b 'example.org' 00 50".
inline Octets octets(std::string_view text) {
  const auto digit = [](char c) -> unsigned {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
    CPPUNIT_FAIL(std::string("the test itself holds a digit that is none: ") + c);
    return 0;
  };
  Octets result;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == ' ') {
      ++i;
    } else if (text[i] == '\'') {
      const std::size_t end = text.find('\'', i + 1);
      CPPUNIT_ASSERT(end != text.npos);
      result.insert(result.end(), text.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                    text.begin() + static_cast<std::ptrdiff_t>(end));
      i = end + 1;
    } else {
      CPPUNIT_ASSERT(i + 1 < text.size());
      result.push_back(static_cast<std::uint8_t>(digit(text[i]) << 4 | digit(text[i + 1])));
      i += 2;
    }
  }
  return result;
}

inline Octets repeated(std::size_t count, std::uint8_t octet = 'a') { return Octets(count, octet); }

inline Octets operator+(Octets left, const Octets& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

template <class Message>
std::string encoded(const Message& message) {
  Octets out;
  encode(message, out);
  return toHex(out);
}

/// Every prefix is incomplete and leaves the Reader where it was; the whole is complete and takes
/// exactly its octets, whatever follows.  Gives what was decoded.
template <class T>
T decodedAtEverySplit(Decoded<T> (*decode)(Reader&), const Octets& message) {
  for (std::size_t size = 0; size < message.size(); ++size) {
    Reader reader(OctetSpan(message).first(size));
    const auto result = decode(reader);
    const std::string where = std::to_string(size) + " of " + toHex(message);
    CPPUNIT_ASSERT_MESSAGE("an error after " + where, result.has_value());
    CPPUNIT_ASSERT_MESSAGE("complete after " + where, !result->has_value());
    CPPUNIT_ASSERT_EQUAL_MESSAGE("octets taken after " + where, std::size_t{0}, reader.position());
  }
  for (const char* behind : {"", "00", "ff ff ff", "05 01 00 05 01 00"}) {
    const Octets stream = message + octets(behind);
    Reader reader(stream);
    const auto result = decode(reader);
    CPPUNIT_ASSERT_MESSAGE(result ? "" : result.error().detail, result.has_value());
    CPPUNIT_ASSERT_MESSAGE("incomplete: " + toHex(message), result->has_value());
    CPPUNIT_ASSERT_EQUAL(message.size(), reader.position());
  }
  Reader reader(message);
  auto result = decode(reader);
  return **std::move(result);
}

/// The octets are refused with `failure`, whatever follows them, and the Reader stays.  No prefix is
/// complete, and once a prefix was refused every longer one is.
template <class T>
void checkRefused(Decoded<T> (*decode)(Reader&), const Octets& message,
                  Failure failure = Failure::malformed) {
  bool refused = false;
  for (std::size_t size = 0; size <= message.size(); ++size) {
    Reader reader(OctetSpan(message).first(size));
    const auto result = decode(reader);
    const std::string where = std::to_string(size) + " of " + toHex(message);
    CPPUNIT_ASSERT_MESSAGE("complete after " + where, !result || !result->has_value());
    CPPUNIT_ASSERT_MESSAGE("no longer refused after " + where, !refused || !result);
    CPPUNIT_ASSERT_EQUAL(std::size_t{0}, reader.position());
    refused = !result;
    if (refused)
      CPPUNIT_ASSERT_EQUAL(std::string(toString(failure)), std::string(toString(result.error().failure)));
  }
  CPPUNIT_ASSERT_MESSAGE("not refused: " + toHex(message), refused);
}

}  // namespace crossgate::test
