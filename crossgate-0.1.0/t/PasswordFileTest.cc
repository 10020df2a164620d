// SPDX-License-Identifier: BSD-2-Clause
// The password file: its lines, its hashes, and the sameness of a wrong user and a wrong password.
#include "gateway/password_file.h"

#include <cppunit/extensions/HelperMacros.h>
#include <crypt.h>

namespace crossgate {
namespace {

class PasswordFileTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PasswordFileTest);
  CPPUNIT_TEST(everyMethodVerifies);
  CPPUNIT_TEST(linesAreReadAsDocumented);
  CPPUNIT_TEST(wrongLinesAreNamed);
  CPPUNIT_TEST(lockedAccountsStayOut);
  CPPUNIT_TEST(aNulEndsNoPassword);
  CPPUNIT_TEST(anEmptyFileLetsNobodyIn);
  CPPUNIT_TEST(namesAndPasswordsHaveBounds);
  CPPUNIT_TEST_SUITE_END();

 public:
  void everyMethodVerifies() {
    const auto preferred = hashPassword("secret");
    CPPUNIT_ASSERT(preferred.has_value());
    CPPUNIT_ASSERT(preferred->starts_with("$y$"));
    for (const std::string& hash :
         {*preferred, cryptOf("$6$rounds=1000$abc"), cryptOf("$2b$04$abcdefghijklmnopqrstuu")}) {
      CPPUNIT_ASSERT(passwordMatches("secret", hash));
      CPPUNIT_ASSERT(!passwordMatches("Secret", hash));
      CPPUNIT_ASSERT(!passwordMatches("", hash));
    }
  }

  void linesAreReadAsDocumented() {
    const auto file =
        PasswordFile::parse("# comment\n\nalice:" + quick_ + "\r\nbob:" + quick_ + ":uid:more\n", "f");
    CPPUNIT_ASSERT_EQUAL(std::size_t{2}, file.size());
    CPPUNIT_ASSERT(file.mistakes().empty());
    CPPUNIT_ASSERT(file.verify("alice", "secret"));
    CPPUNIT_ASSERT(file.verify("bob", "secret"));
    CPPUNIT_ASSERT(!file.verify("bob", "wrong"));
    CPPUNIT_ASSERT(!file.verify("carol", "secret"));
    CPPUNIT_ASSERT(!file.verify("Alice", "secret"));
    CPPUNIT_ASSERT(!file.verify("", "secret"));
  }

  void wrongLinesAreNamed() {
    const auto file =
        PasswordFile::parse("nothing\n:x\nalice:plaintext\nbob:" + quick_ + "\nbob:" + quick_ + "\n", "f");
    CPPUNIT_ASSERT_EQUAL(std::size_t{4}, file.mistakes().size());
    CPPUNIT_ASSERT_EQUAL(std::string("f:1: not user:hash"), file.mistakes()[0]);
    CPPUNIT_ASSERT(file.mistakes()[2].starts_with("f:3: the hash of alice"));
    CPPUNIT_ASSERT(file.mistakes()[2].find("plaintext") == std::string::npos);
    CPPUNIT_ASSERT_EQUAL(std::size_t{1}, file.size());
  }

  void lockedAccountsStayOut() {
    const auto file = PasswordFile::parse("alice:!" + quick_ + "\nbob:*\ncarol:" + quick_ + "\n", "f");
    CPPUNIT_ASSERT(!file.verify("alice", "secret"));
    CPPUNIT_ASSERT(!file.verify("bob", ""));
    CPPUNIT_ASSERT(!file.verify("bob", "*"));
    CPPUNIT_ASSERT(file.verify("carol", "secret"));
  }

  void aNulEndsNoPassword() {
    using namespace std::string_literals;
    CPPUNIT_ASSERT(!passwordMatches("secret\0and more"s, quick_));
    const auto file = PasswordFile::parse("alice:" + quick_ + "\n", "f");
    CPPUNIT_ASSERT(!file.verify("alice\0x"s, "secret"));
  }

  void anEmptyFileLetsNobodyIn() {
    const auto file = PasswordFile::parse("", "f");
    CPPUNIT_ASSERT(!file.verify("alice", "secret"));
    CPPUNIT_ASSERT(!PasswordFile::load("/nonexistent/file").has_value());
  }

  void namesAndPasswordsHaveBounds() {
    CPPUNIT_ASSERT(whyNotUser("alice").empty());
    CPPUNIT_ASSERT(whyNotUser(std::string(255, 'a')).empty());
    for (const std::string& user : {std::string(), std::string(256, 'a'), std::string("a:b"),
                                    std::string("a\nb"), std::string("#a"), std::string("a\0b", 3)}) {
      CPPUNIT_ASSERT(!whyNotUser(user).empty());
    }
    CPPUNIT_ASSERT(whyNotPassword("with : and #").empty());
    CPPUNIT_ASSERT(!whyNotPassword("").empty());
    CPPUNIT_ASSERT(!whyNotPassword(std::string(256, 'a')).empty());
  }

 private:
  static std::string cryptOf(const char* setting) {
    crypt_data data{};
    const char* hash = crypt_r("secret", setting, &data);
    CPPUNIT_ASSERT(hash != nullptr && hash[0] == '$');
    return hash;
  }
  // The fewest rounds, so that the test is quick.
  const std::string quick_ = cryptOf("$6$rounds=1000$abc");
};

CPPUNIT_TEST_SUITE_REGISTRATION(PasswordFileTest);

}  // namespace
}  // namespace crossgate
