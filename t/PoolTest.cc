// SPDX-License-Identifier: BSD-2-Clause
// gateway/pool: what it makes of what its workers say.
#include "gateway/pool.h"

#include <cppunit/extensions/HelperMacros.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

namespace crossgate {
namespace {

class PoolTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PoolTest);
  CPPUNIT_TEST(aRelayThatEndsIsGivenBack);
  CPPUNIT_TEST(aWorkerThatEndsARelayThatNeverWasIsKilled);
  CPPUNIT_TEST(aWorkerThatEndsTheRelayOfAnotherIsKilled);
  CPPUNIT_TEST(aWorkerThatEndsARelayTwiceIsKilled);
  CPPUNIT_TEST_SUITE_END();

  std::vector<IpAddress> ended_;
  std::vector<pid_t> workers_;
  std::unique_ptr<Pool> pool_;

  // Two workers that do nothing themselves: the test says what they say.
  pid_t forkWorker() {
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) pause();
    }
    workers_.push_back(pid);
    return pid;
  }

  void give(const char* from) {
    Client client;
    client.peer = *Endpoint::parse(from);
    CPPUNIT_ASSERT(pool_->offer(std::move(client)));
  }

 public:
  void setUp() override {
    auto config = std::make_unique<Config>();
    config->workers = {.start = 2, .spareMin = 2, .spareMax = 2, .max = 2, .relays = 2};
    auto log = Log::open({"/dev/null", LogFormat::text, LogLevel::info});
    CPPUNIT_ASSERT(log);
    Pool::Services services{};
    services.forkWorker = [this](auto&&...) { return forkWorker(); };
    services.relayEnded = [this](const IpAddress& source) { ended_.push_back(source); };
    pool_.reset(new Pool(std::move(config), std::make_unique<Log>(*std::move(log)), std::move(services)));
    pool_->maintain();
    CPPUNIT_ASSERT_EQUAL(std::size_t{2}, workers_.size());
    // Who became idle last is first: ticket 0 is worker 1's, ticket 1 is worker 0's.
    give("192.0.2.1:1");
    give("192.0.2.2:1");
  }
  void tearDown() override {
    pool_->kill();
    for (const pid_t pid : workers_) waitpid(pid, nullptr, 0);
    pool_.reset();
    workers_.clear();
    ended_.clear();
  }

  void aRelayThatEndsIsGivenBack() {
    pool_->scoreboard().finish(1, 0);
    pool_->collect();
    CPPUNIT_ASSERT_EQUAL(1U, pool_->relays());
    CPPUNIT_ASSERT(ended_ == std::vector{*IpAddress::parse("192.0.2.1")});
  }

  void expectKilled(unsigned index, const char* source) {
    pool_->collect();
    int status = 0;
    CPPUNIT_ASSERT_EQUAL(workers_[index], waitpid(workers_[index], &status, 0));
    CPPUNIT_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    const std::size_t before = ended_.size();
    CPPUNIT_ASSERT(pool_->reap(workers_[index], status));
    workers_.erase(workers_.begin() + index);
    CPPUNIT_ASSERT_EQUAL(before + 1, ended_.size());  // what it had, and nothing else
    CPPUNIT_ASSERT(ended_.back() == *IpAddress::parse(source));
  }
  void aWorkerThatEndsARelayThatNeverWasIsKilled() {
    pool_->scoreboard().finish(1, 0x7ffffff);
    expectKilled(1, "192.0.2.1");
    CPPUNIT_ASSERT_EQUAL(1U, pool_->relays());
  }
  void aWorkerThatEndsTheRelayOfAnotherIsKilled() {
    pool_->scoreboard().finish(0, 0);
    expectKilled(0, "192.0.2.2");
    CPPUNIT_ASSERT_EQUAL(1U, pool_->relays());
  }
  void aWorkerThatEndsARelayTwiceIsKilled() {
    give("192.0.2.3:1");  // of two with the same load the first, worker 0, gets it
    CPPUNIT_ASSERT_EQUAL(3U, pool_->relays());
    pool_->scoreboard().finish(0, 1);
    pool_->scoreboard().finish(0, 1);
    expectKilled(0, "192.0.2.3");
    CPPUNIT_ASSERT_EQUAL(1U, pool_->relays());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolTest);

}  // namespace
}  // namespace crossgate
