// SPDX-License-Identifier: BSD-2-Clause
// gateway/pool: what it makes of what its workers say, of those that die young, and of forks that fail.
#include "gateway/pool.h"

#include <cppunit/extensions/HelperMacros.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace crossgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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

class PoolForksTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PoolForksTest);
  CPPUNIT_TEST(workersThatDieYoungComeBackEverSlower);
  CPPUNIT_TEST(oneThatEndsAsItShouldMakesUpForThem);
  CPPUNIT_TEST(aForkThatFailsIsTriedAgainAfterASecond);
  CPPUNIT_TEST_SUITE_END();

  using Clock = std::chrono::steady_clock;
  enum class Fate { dies, ends, lives, isNotForked };

  char log_[32] = "/tmp/crossgate-pool-XXXXXX";
  std::unique_ptr<Pool> pool_;
  Fate fate_ = Fate::dies;  // of the workers that are forked from now on
  std::vector<Clock::time_point> forks_;
  pid_t worker_ = 0;

  pid_t forkWorker() {
    forks_.push_back(Clock::now());
    if (fate_ == Fate::isNotForked) {
      errno = EAGAIN;
      return -1;
    }
    worker_ = fork();
    if (worker_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      while (fate_ == Fate::lives) pause();
      _exit(fate_ == Fate::dies ? 1 : 0);
    }
    return worker_;
  }

  // When the pool has heard of the end of its worker.
  Clock::time_point reap() {
    int status = 0;
    CPPUNIT_ASSERT_EQUAL(worker_, waitpid(worker_, &status, 0));
    const auto heard = Clock::now();
    CPPUNIT_ASSERT(pool_->reap(worker_, status));
    return heard;
  }

  // As the master does with every event and once a second, until the next fork.
  Clock::time_point nextFork() {
    const std::size_t before = forks_.size();
    const auto deadline = Clock::now() + seconds(30);
    while (forks_.size() == before) {
      CPPUNIT_ASSERT(Clock::now() < deadline);
      pool_->maintain();
      std::this_thread::sleep_for(milliseconds(1));
    }
    return forks_.back();
  }

  // Does a worker stand at once in the place of one that has ended?
  bool isReplacedAtOnce() {
    reap();
    const std::size_t before = forks_.size();
    pool_->maintain();
    return forks_.size() == before + 1;
  }

  bool logged(const std::string& text) const {
    std::ostringstream all;
    all << std::ifstream(log_).rdbuf();
    return all.str().find(text) != std::string::npos;
  }

 public:
  void setUp() override {
    ::close(mkstemp(log_));
    auto config = std::make_unique<Config>();
    config->workers = {.start = 1, .spareMin = 1, .spareMax = 1, .max = 1, .relays = 1};
    auto log = Log::open({log_, LogFormat::text, LogLevel::info});
    CPPUNIT_ASSERT(log);
    Pool::Services services{};
    services.forkWorker = [this](auto&&...) { return forkWorker(); };
    pool_.reset(new Pool(std::move(config), std::make_unique<Log>(*std::move(log)), std::move(services)));
  }
  void tearDown() override {
    pool_->kill();
    waitpid(worker_, nullptr, 0);
    pool_.reset();
    unlink(log_);
  }

  void workersThatDieYoungComeBackEverSlower() {
    pool_->maintain();
    CPPUNIT_ASSERT(isReplacedAtOnce());  // that may happen
    auto heard = reap();
    CPPUNIT_ASSERT(nextFork() - heard >= milliseconds(100));
    CPPUNIT_ASSERT(logged("event=\"workers die young\" in_a_row=2 next_fork_in=0.100\n"));
    heard = reap();
    fate_ = Fate::lives;
    CPPUNIT_ASSERT(nextFork() - heard >= milliseconds(200));
    CPPUNIT_ASSERT(logged("event=\"workers die young\" in_a_row=3 next_fork_in=0.200\n"));
    CPPUNIT_ASSERT(pool_->hasRoom());
  }

  void oneThatEndsAsItShouldMakesUpForThem() {
    pool_->maintain();
    CPPUNIT_ASSERT(isReplacedAtOnce());
    reap();
    fate_ = Fate::ends;
    nextFork();
    fate_ = Fate::dies;
    CPPUNIT_ASSERT(isReplacedAtOnce());
    CPPUNIT_ASSERT(isReplacedAtOnce());  // the first in a row again
    CPPUNIT_ASSERT(!logged("in_a_row=3"));
  }

  void aForkThatFailsIsTriedAgainAfterASecond() {
    fate_ = Fate::isNotForked;
    const auto failed = nextFork();
    CPPUNIT_ASSERT(logged("event=\"no new worker\" reason=\"fork: "));
    CPPUNIT_ASSERT(!pool_->hasRoom());
    fate_ = Fate::lives;
    CPPUNIT_ASSERT(nextFork() - failed >= seconds(1));
    CPPUNIT_ASSERT(pool_->hasRoom());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolTest);
CPPUNIT_TEST_SUITE_REGISTRATION(PoolForksTest);

}  // namespace
}  // namespace crossgate
