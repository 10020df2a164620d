// SPDX-License-Identifier: BSD-2-Clause
// gateway/log and gateway/account: lines that no peer can forge.
#include "gateway/log.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "gateway/account.h"

namespace crossgate {
namespace {

class LogTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LogTest);
  CPPUNIT_TEST(textIsLogfmt);
  CPPUNIT_TEST(jsonIsOneObjectALine);
  CPPUNIT_TEST(whatPeersSendIsEscaped);
  CPPUNIT_TEST(theLevelDecides);
  CPPUNIT_TEST(reopenFollowsARenamedFile);
  CPPUNIT_TEST(aFileThatCantBeWrittenIsAnError);
  CPPUNIT_TEST(aRelayIsOneLine);
  CPPUNIT_TEST(aRefusedAssociationHasItsFields);
  CPPUNIT_TEST_SUITE_END();

  std::string file_;

  Log open(LogFormat format = LogFormat::text, LogLevel level = LogLevel::info) {
    auto log = Log::open({file_, format, level});
    CPPUNIT_ASSERT(log.has_value());
    return *std::move(log);
  }
  std::string written(const std::string& file = "") {
    std::ostringstream text;
    text << std::ifstream(file.empty() ? file_ : file).rdbuf();
    return text.str();
  }
  // Without the time, which leads every line.
  std::string body() {
    const std::string line = written();
    return line.substr(line.find("level"));
  }

 public:
  void setUp() override {
    char name[] = "/tmp/crossgate-log-XXXXXX";
    ::close(mkstemp(name));
    file_ = name;
  }
  void tearDown() override { unlink(file_.c_str()); }

  void textIsLogfmt() {
    open().line(LogLevel::warning).field("event", "two words").field("n", std::uint64_t{7}).field("s", 0.5);
    CPPUNIT_ASSERT_EQUAL(std::string("level=warning event=\"two words\" n=7 s=0.500\n"), body());
  }
  void jsonIsOneObjectALine() {
    open(LogFormat::json).line(LogLevel::info).field("event", "x").field("n", std::uint64_t{7});
    CPPUNIT_ASSERT_EQUAL('{', written().front());
    CPPUNIT_ASSERT_EQUAL(std::string("level\":\"info\",\"event\":\"x\",\"n\":7}\n"), body());
  }
  void whatPeersSendIsEscaped() {
    open().line(LogLevel::info).field("to", std::string_view("a\nlevel=x \"q\\\x7f\xc3\x00", 16));
    CPPUNIT_ASSERT_EQUAL(std::string("level=info to=\"a\\u000alevel=x \\\"q\\\\\\u007f\\u00c3\\u0000\"\n"),
                         body());
  }
  void theLevelDecides() {
    const Log log = open(LogFormat::text, LogLevel::warning);
    log.event(LogLevel::info, "not this");
    CPPUNIT_ASSERT_EQUAL(std::string(), written());
    log.event(LogLevel::error, "this");
    CPPUNIT_ASSERT(written().find("event=this") != std::string::npos);
  }
  void reopenFollowsARenamedFile() {
    Log log = open();
    log.event(LogLevel::info, "before");
    const std::string old = file_ + ".1";
    CPPUNIT_ASSERT(rename(file_.c_str(), old.c_str()) == 0);
    log.event(LogLevel::info, "meanwhile");
    CPPUNIT_ASSERT(log.reopen().has_value());
    log.event(LogLevel::info, "after");
    const std::string kept = written(old);
    unlink(old.c_str());
    CPPUNIT_ASSERT(kept.find("meanwhile") != std::string::npos);
    CPPUNIT_ASSERT(written().find("after") != std::string::npos);
    CPPUNIT_ASSERT(written().find("meanwhile") == std::string::npos);
  }
  void aFileThatCantBeWrittenIsAnError() {
    const auto log = Log::open({"/nonexistent/x.log", LogFormat::text, LogLevel::info});
    CPPUNIT_ASSERT(!log.has_value());
    CPPUNIT_ASSERT(log.error().detail.find("/nonexistent/x.log") != std::string::npos);
  }
  void aRelayIsOneLine() {
    RelayRecord record;
    record.id = "1.2";
    record.client = *Endpoint::parse("192.0.2.1:5");
    record.command = Command::connect;
    record.destination = Destination::of("www.example.org", 80);
    record.address = *Endpoint::parse("[2001:db8::1]:80");
    record.result = "ok";
    record.traffic = {3, 4};
    record.begun -= std::chrono::seconds(90);
    account(open(), record);
    const std::string line = body();
    const std::size_t time = line.rfind('=') + 1;
    CPPUNIT_ASSERT_EQUAL(
        std::string("level=info relay=1.2 client=192.0.2.1:5 command=connect to=www.example.org:80 "
                    "address=[2001:db8::1]:80 route=direct result=ok sent=3 received=4 seconds="),
        line.substr(0, time));
    CPPUNIT_ASSERT(std::stod(line.substr(time)) >= 90.0 && std::stod(line.substr(time)) < 100.0);
    CPPUNIT_ASSERT(line.ends_with('\n'));
  }
  void aRefusedAssociationHasItsFields() {
    RelayRecord record;
    record.command = Command::udp;
    record.failed({Failure::denied, "no"});
    account(open(), record);
    CPPUNIT_ASSERT(body().find("reason=no sent=0 received=0 datagrams-sent=0 datagrams-received=0 ") != std::string::npos);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(LogTest);

}  // namespace
}  // namespace crossgate
