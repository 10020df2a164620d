// SPDX-License-Identifier: BSD-2-Clause
// The PROXY header, both versions, whole and in pieces.
#include "gateway/proxy_header.h"

#include <cppunit/extensions/HelperMacros.h>

namespace crossgate {
namespace {

using namespace std::string_literals;

class ProxyHeaderTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ProxyHeaderTest);
  CPPUNIT_TEST(goodHeadersAtEverySplit);
  CPPUNIT_TEST(badHeadersAreRefused);
  CPPUNIT_TEST_SUITE_END();

  static OctetSpan octets(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  }
  static std::string binary(char command, char family, const std::string& rest) {
    const auto length = static_cast<unsigned char>(rest.size() & 0xff);
    return "\r\n\r\n\0\r\nQUIT\n"s + command + family + static_cast<char>(rest.size() >> 8) +
           static_cast<char>(length) + rest;
  }

 public:
  void goodHeadersAtEverySplit() {
    const std::string v4 = "\xC0\0\x02\x07\xC6\x33\x64\x01\xC3\x50\x04\x38"s;
    const std::string v6 =
        "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"s + std::string(16, '\1') + "\xC3\x50\x04\x38"s;
    const struct {
      std::string header;
      const char* client;
    } table[] = {
        {"PROXY TCP4 192.0.2.7 198.51.100.1 50000 1080\r\n", "192.0.2.7:50000"},
        {"PROXY TCP6 2001:db8::7 2001:db8::1 50000 1080\r\n", "[2001:db8::7]:50000"},
        {"PROXY UNKNOWN\r\n", ""},
        {"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", ""},
        {binary(0x21, 0x11, v4), "192.0.2.7:50000"},
        {binary(0x21, 0x11, v4 + "\x04\0\1x"s), "192.0.2.7:50000"},
        {binary(0x21, 0x21, v6), "[2001:db8::7]:50000"},
        {binary(0x20, 0, ""), ""},
        {binary(0x21, 0x31, std::string(216, 'u')), ""},  // a Unix-domain client
    };
    for (const auto& row : table) {
      for (std::size_t length = 0; length < row.header.size(); ++length) {
        Reader part(octets(row.header).first(length));
        const auto decoded = decodeProxyHeader(part);
        CPPUNIT_ASSERT_MESSAGE(row.header, decoded && !decoded->has_value());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, part.position());
      }
      const std::string followed = row.header + "\5\1\0\n"s;
      Reader whole(octets(followed));
      const auto decoded = decodeProxyHeader(whole);
      CPPUNIT_ASSERT_MESSAGE(row.header, decoded && decoded->has_value());
      const auto& client = (*decoded)->client;
      CPPUNIT_ASSERT_EQUAL(std::string(row.client), client ? client->toString() : "");
      CPPUNIT_ASSERT_EQUAL(row.header.size(), whole.position());
    }
  }

  void badHeadersAreRefused() {
    for (const std::string& header :
         {"GET / HTTP/1.0\r\n"s, "\5\1\0"s, "PROXY\r\n"s, "PROXY TCP4\r\n"s,
          "PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n"s, "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"s,
          "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"s, "PROXY TCP4 ::1 ::1 1 1\r\n"s,
          "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n"s, "PROXY TCP4 1.2.3.4  1.2.3.4 1 1\r\n"s,
          "PROXY UNKNOWN\n"s, "PROXY UNKNOWN \n\5\1\0\r\n"s,
          "PROXY " + std::string(101, 'x'), binary(0x31, 0x11, std::string(12, 'a')), binary(0x22, 0x11, ""),
          binary(0x21, 0x11, std::string(11, 'a')), binary(0x21, 0x21, std::string(12, 'a')),
          "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"s}) {
      Reader reader(octets(header));
      CPPUNIT_ASSERT_MESSAGE(header, !decodeProxyHeader(reader).has_value());
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProxyHeaderTest);

}  // namespace
}  // namespace crossgate
