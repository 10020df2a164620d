// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/background.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "socksify/association.h"
#include "socksify/cancellation.h"
#include "socksify/control_connections.h"
#include "socksify/own_thread.h"
#include "socksify/process.h"
#include "socksify/real.h"
#include "socksify/rendezvous.h"
#include "socksify/silent_port.h"
#include "socksify/socks_lib.h"
#include "socksify/swap.h"

namespace crossgate::socksify {
namespace {

using namespace std::chrono_literals;

// How long the helper stays when there is nothing to do: a program that connects often keeps it.
constexpr auto lingering = 2000ms;
constexpr std::size_t helperStack = 256 << 10;

struct Helper {
  std::mutex mutex;
  std::vector<std::unique_ptr<Job>> jobs;
  HiddenSocket wakeSend;
  HiddenSocket wakeReceive;
  unsigned generation = 0;  // of the running thread; an older one leaves
  bool running = false;
  pid_t owner = 0;  // the process that the thread runs in
};
constinit std::atomic<unsigned> jobCount{0};
constinit std::atomic<unsigned> generationToRun{0};

// Never destroyed: the helper thread may outlive main().
Helper& helper() noexcept {
  alignas(Helper) static unsigned char place[sizeof(Helper)];
  static Helper* made = new (place) Helper;
  return *made;
}

// ---- the helper thread --------------------------------------------------------------------------

void drain(const HiddenSocket& socket) noexcept {
  char octets[64];
  while (socket.isOurs() && real().recv(socket.get(), octets, sizeof octets, MSG_DONTWAIT) > 0) continue;
}

int millisecondsUntil(Clock::time_point when) noexcept {
  constexpr auto longest = 1h;
  const auto now = Clock::now();
  if (when > now + longest) return static_cast<int>(std::chrono::milliseconds(longest).count());
  return static_cast<int>(
      std::max<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(when - now).count(), 0));
}

// What was polled is in the order of the jobs; some of these may have gone since, and new ones be at the end.
void stepThoseReady(Helper& all, const std::vector<pollfd>& polled) {
  const auto now = Clock::now();
  auto seen = polled.begin();
  std::erase_if(all.jobs, [&](const auto& job) {
    const auto own = std::find_if(seen, polled.end(), [&](const pollfd& one) { return one.fd == job->fd(); });
    if (own != polled.end()) seen = own;
    const bool idle = own != polled.end() && own->revents == 0 && now < job->deadline();
    if (idle || !job->step()) return false;
    jobCount.fetch_sub(1, std::memory_order_release);
    return true;
  });
}

// False when it is time to leave.
bool serve(Helper& all, unsigned generation, std::vector<pollfd>& polled) {
  polled.clear();
  auto until = Clock::time_point::max();
  {
    const std::lock_guard lock(all.mutex);
    if (all.generation != generation) return false;
    if (all.jobs.empty()) until = Clock::now() + lingering;
    if (all.wakeReceive.isOurs()) polled.push_back({all.wakeReceive.get(), POLLIN, 0});
    for (const auto& job : all.jobs) {
      polled.push_back({job->fd(), job->events(), 0});
      until = std::min(until, job->deadline());
    }
  }
  const int ready = real().poll(polled.data(), polled.size(), millisecondsUntil(until));
  const std::lock_guard lock(all.mutex);
  if (all.generation != generation) return false;
  drain(all.wakeReceive);
  stepThoseReady(all, polled);
  if (ready != 0 || !all.jobs.empty()) return true;
  all.running = false;
  all.wakeReceive.reset();
  all.wakeSend.reset();
  return false;
}

void* runHelper(void*) {
  Helper& all = helper();
  const unsigned generation = generationToRun.load();
  std::vector<pollfd> polled;
  while (serve(all, generation, polled)) continue;
  return nullptr;
}

bool wake(Helper& all) noexcept {
  const char octet = 0;
  return all.wakeSend.isOurs() &&
         real().send(all.wakeSend.get(), &octet, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

bool startHelper(Helper& all) noexcept {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
  all.wakeSend = HiddenSocket(pair[0]);
  all.wakeReceive = HiddenSocket(pair[1]);
  generationToRun = ++all.generation;
  all.owner = ::getpid();
  all.running = startOwnThread(runHelper, nullptr, helperStack);
  return all.running;
}

// ---- fork ---------------------------------------------------------------------------------------

void beforeFork() {
  SocksLib::awaitBeginning();
  helper().mutex.lock();
  lockRendezvous();
  lockControlConnections();
  lockAssociations();
  lockEpollNotes();
  lockSilentPorts();
}

void afterForkInParent() {
  unlockSilentPorts();
  unlockEpollNotes();
  unlockAssociations();
  unlockControlConnections();
  unlockRendezvous();
  helper().mutex.unlock();
}

// The helper thread is the parent's alone, and so are its conversations.
void leaveToParent(Helper& all) {
  all.running = false;
  all.wakeSend.reset();
  all.wakeReceive.reset();
  ++all.generation;
  all.jobs.clear();
  jobCount.store(0);
}

void afterForkInChild() {
  leaveToParent(helper());
  afterForkInParent();
}

}  // namespace

bool addJob(std::unique_ptr<Job> job) noexcept {
  const Uncancelled whole;
  meetOwnProcess();
  Helper& all = helper();
  const std::lock_guard lock(all.mutex);
  // A kernel before 4.14 does not tell of a child made without fork()'s handlers, which has not this thread.
  if (all.running && all.owner != ::getpid()) leaveToParent(all);
  // A program that closed all it did not know took the helper's own descriptors too.
  if (all.running && !wake(all)) all.running = false;
  if (!all.running && !startHelper(all)) {
    errno = EAGAIN;
    return false;
  }
  all.jobs.push_back(std::move(job));
  jobCount.fetch_add(1, std::memory_order_release);
  wake(all);
  return true;
}

bool anyJobs() noexcept { return jobCount.load(std::memory_order_acquire) != 0; }

bool isConnecting(int fd) noexcept {
  if (!anyJobs()) return false;
  meetOwnProcess();
  Helper& all = helper();
  const std::lock_guard lock(all.mutex);
  return std::any_of(all.jobs.begin(), all.jobs.end(),
                     [fd](const auto& job) { return job->isConnecting(fd); });
}

void duplicated(int from, int to) noexcept {
  if (mayConnect(from)) expectConnect(to);
  if (!anyJobs()) return;
  Helper& all = helper();
  const std::lock_guard lock(all.mutex);
  for (const auto& job : all.jobs) job->duplicated(from, to);
}

void leftBehind(int fd) noexcept {
  settled(fd);
  if (!anyJobs()) return;
  Helper& all = helper();
  const std::lock_guard lock(all.mutex);
  std::erase_if(all.jobs, [fd](const auto& job) {
    if (!job->leftBehind(fd)) return false;
    jobCount.fetch_sub(1, std::memory_order_release);
    return true;
  });
}

// Who held a lock is not in this process.
void forgetParent() noexcept {
  afterForkInParent();
  leaveToParent(helper());
}

void watchForks() noexcept { pthread_atfork(beforeFork, afterForkInParent, afterForkInChild); }

}  // namespace crossgate::socksify
