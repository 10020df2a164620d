// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/pending.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "socksify/association.h"
#include "socksify/real.h"
#include "socksify/socks_lib.h"
#include "socksify/swap.h"

namespace crossgate::socksify {
namespace {

using namespace std::chrono_literals;

struct PendingConnection {
  std::vector<int> fds;
  std::uint64_t cookie;  // the placeholder's
  std::unique_ptr<GatewayLink> link;
  ShownSocket shown;
  Clock::time_point deadline;
};

// How long the helper stays when there is nothing to do: a program that connects often keeps it.
constexpr auto lingering = 2000ms;
constexpr std::size_t helperStack = 256 << 10;

struct Helper {
  std::mutex mutex;
  std::vector<std::unique_ptr<PendingConnection>> connections;
  HiddenSocket wakeSend;
  HiddenSocket wakeReceive;
  unsigned generation = 0;  // of the running thread; an older one leaves
  bool running = false;
};
constinit std::atomic<unsigned> pendingCount{0};
constinit std::atomic<unsigned> swaps{0};
constinit std::atomic<unsigned> generationToRun{0};

// Never destroyed: the helper thread may outlive main().
Helper& helper() noexcept {
  alignas(Helper) static unsigned char place[sizeof(Helper)];
  static Helper* made = new (place) Helper;
  return *made;
}

// ---- the end of a conversation ------------------------------------------------------------------

// The numbers that still are the placeholder; a raw close() may have given one to somebody else.
std::vector<int> liveFds(const PendingConnection& pending) {
  std::vector<int> live;
  std::copy_if(pending.fds.begin(), pending.fds.end(), std::back_inserter(live),
               [&](int fd) { return socketCookie(fd) == pending.cookie; });
  return live;
}

void finish(PendingConnection& pending, int error) {
  const std::vector<int> fds = liveFds(pending);
  HiddenSocket socket = error == 0 ? pending.link->takeSocket() : makeRefused(toAf(pending.shown.family));
  pending.shown.error = error;
  // Remembered first: the program may look as soon as the number changes hands.
  SocksLib::get().sockets().remember(socket.cookie(), pending.shown);
  swapUnder(fds, std::move(socket));
  if (error == 0) std::for_each(fds.begin(), fds.end(), settled);
  swaps.fetch_add(1, std::memory_order_release);
}

// True when it is over.
bool step(PendingConnection& pending) {
  auto progress = pending.link->advance();
  int error = 0;
  if (!progress) {
    error = failureOf(*pending.link, progress.error(), {pending.shown.peer.address, pending.shown.peer.port});
  } else if (*progress == GatewayLink::Progress::done) {
    const auto code = pending.link->reply().code;
    if (code != socks5::ReplyCode::succeeded) error = errnoOf(socks5::failureOf(code));
  } else if (Clock::now() < pending.deadline) {
    return false;
  } else {
    error = ETIMEDOUT;
  }
  finish(pending, error);
  return true;
}

// ---- the helper thread --------------------------------------------------------------------------

void drain(const HiddenSocket& socket) noexcept {
  char octets[64];
  while (socket.isOurs() && real().recv(socket.get(), octets, sizeof octets, MSG_DONTWAIT) > 0) continue;
}

int millisecondsUntil(Clock::time_point when) noexcept {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(when - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30));
}

// False when it is time to leave.
bool serve(Helper& all, unsigned generation, std::vector<pollfd>& polled) {
  polled.clear();
  auto until = Clock::now() + lingering;
  {
    const std::lock_guard lock(all.mutex);
    if (all.generation != generation) return false;
    if (all.wakeReceive.isOurs()) polled.push_back({all.wakeReceive.get(), POLLIN, 0});
    for (const auto& pending : all.connections) {
      polled.push_back({pending->link->fd(), pending->link->events(), 0});
      until = std::min(until, pending->deadline);
    }
  }
  const int ready = real().poll(polled.data(), polled.size(), millisecondsUntil(until));
  const std::lock_guard lock(all.mutex);
  if (all.generation != generation) return false;
  drain(all.wakeReceive);
  std::erase_if(all.connections, [](const auto& pending) {
    if (!step(*pending)) return false;
    pendingCount.fetch_sub(1, std::memory_order_release);
    return true;
  });
  if (ready != 0 || !all.connections.empty()) return true;
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

// A thread of ours takes none of the program's signals: its handlers expect the program's threads.
bool startHelper(Helper& all) noexcept {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
  all.wakeSend = HiddenSocket(pair[0]);
  all.wakeReceive = HiddenSocket(pair[1]);
  generationToRun = ++all.generation;
  sigset_t everything;
  sigset_t before;
  sigfillset(&everything);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, helperStack);
  pthread_sigmask(SIG_SETMASK, &everything, &before);
  pthread_t thread;
  all.running = pthread_create(&thread, &attributes, runHelper, nullptr) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return all.running;
}

// ---- fork ---------------------------------------------------------------------------------------

void beforeFork() {
  helper().mutex.lock();
  lockAssociations();
  lockEpollNotes();
}

void afterForkInParent() {
  unlockEpollNotes();
  unlockAssociations();
  helper().mutex.unlock();
}

// The helper thread is the parent's alone, and so are its conversations.
void afterForkInChild() {
  Helper& all = helper();
  all.running = false;
  all.wakeSend.reset();
  all.wakeReceive.reset();
  ++all.generation;
  all.connections.clear();
  pendingCount.store(0);
  afterForkInParent();
}

}  // namespace

bool addPending(int fd, std::unique_ptr<GatewayLink> link, const ShownSocket& shown,
                Clock::time_point deadline) noexcept {
  Helper& all = helper();
  const std::lock_guard lock(all.mutex);
  // A program that closed all it did not know took the helper's own descriptors too.
  if (all.running && !wake(all)) all.running = false;
  if (!all.running && !startHelper(all)) {
    errno = EAGAIN;
    return false;
  }
  all.connections.push_back(std::make_unique<PendingConnection>(
      PendingConnection{{fd}, socketCookie(fd), std::move(link), shown, deadline}));
  pendingCount.fetch_add(1, std::memory_order_release);
  wake(all);
  return true;
}

bool anyPending() noexcept { return pendingCount.load(std::memory_order_acquire) != 0; }
unsigned swapCount() noexcept { return swaps.load(std::memory_order_acquire); }

bool isPending(int fd) noexcept {
  if (!anyPending()) return false;
  Helper& all = helper();
  const std::lock_guard lock(all.mutex);
  return std::any_of(all.connections.begin(), all.connections.end(), [&](const auto& pending) {
    return std::find(pending->fds.begin(), pending->fds.end(), fd) != pending->fds.end() &&
           socketCookie(fd) == pending->cookie;
  });
}

void duplicated(int from, int to) noexcept {
  if (mayConnect(from)) expectConnect(to);
  if (!anyPending()) return;
  Helper& all = helper();
  const std::lock_guard lock(all.mutex);
  for (const auto& pending : all.connections) {
    if (std::find(pending->fds.begin(), pending->fds.end(), from) != pending->fds.end())
      pending->fds.push_back(to);
  }
}

void leftBehind(int fd) noexcept {
  settled(fd);
  if (!anyPending()) return;
  Helper& all = helper();
  const std::lock_guard lock(all.mutex);
  std::erase_if(all.connections, [&](const auto& pending) {
    std::erase(pending->fds, fd);
    if (!pending->fds.empty()) return false;
    pendingCount.fetch_sub(1, std::memory_order_release);
    return true;
  });
}

void watchForks() noexcept { pthread_atfork(beforeFork, afterForkInParent, afterForkInChild); }

int failureOf(const GatewayLink& link, const Error& error, const Destination& destination) noexcept {
  tell("%s: %s", destination.toString().c_str(), error.detail.c_str());
  // Octets of a server that breaks off, or that speaks no SOCKS, are no refusal by the destination.
  if (link.connected() && error.failure == Failure::peerGone) return ECONNABORTED;
  return errnoOf(error.failure);
}

}  // namespace crossgate::socksify
