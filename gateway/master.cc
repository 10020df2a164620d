// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/master.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory_resource>

#include "gateway/file_pages.h"
#include "gateway/process.h"

namespace crossgate {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

void raiseDescriptorLimitFor(const Config& config, const Log& log) {
  const std::size_t wanted = config.workers.descriptors();
  const std::size_t granted = raiseDescriptorLimit(wanted);
  log.line(granted < wanted ? LogLevel::warning : LogLevel::info)
      .field("event", "descriptor limit")
      .field("limit", std::uint64_t{granted})
      .field("wanted", std::uint64_t{wanted});
}

constexpr std::array handledSignals{SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGCHLD};
// Clients taken in one round, so that signals and other listeners have their turn.
constexpr int acceptsAtOnce = 64;
// Where clients come this close behind each other, more are on their way.
constexpr microseconds closeBehind{500};
constexpr milliseconds shortagePause{100};
constexpr seconds complaintInterval{10};
constexpr seconds endPatience{2};

}  // namespace

template <void (Master::*handler)()>
Event::Callback Master::trampoline() {
  return [](int, short, void* self) noexcept { (static_cast<Master*>(self)->*handler)(); };
}

Master::Master(Services services, Estate& estate)
    : services_(std::move(services)),
      estate_(estate),
      listeners_(loop_, [this](Listener& ready, std::uint16_t index) { onClients(ready, index); }),
      manager_(loop_),
      successor_(loop_, {[this] { handOver(); },
                         [this](const std::string& reason) { onSuccessorFailed(reason); },
                         [this](UpgradeWord word) { onWord(word); }}) {}

Result<void> Master::start(Config config, Log log) {
  wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) return systemError("eventfd", errno);

  raiseDescriptorLimitFor(config, log);
  pools_.push_front(makePool(std::move(config), std::move(log)));
  // From before the first look at the addresses, so that none comes unnoticed.
  auto interfaces = InterfaceWatch::start(loop_, [this] { refreshListeners(); });
  if (interfaces) interfaces_ = *std::move(interfaces);
  if (auto opened = listeners_.adopt(current().config().listeners, this->log(), std::move(estate_.sockets));
      !opened) {
    return opened;
  }
  for (const int signal : handledSignals) {
    signals_.push_back(
        std::make_unique<Event>(loop_, signal, EV_SIGNAL | EV_PERSIST, &Master::onSignalEvent, this));
    signals_.back()->add();
  }
  wakeEvent_.emplace(loop_, wake_.get(), EV_READ | EV_PERSIST, trampoline<&Master::resumeAccepting>(), this);
  wakeEvent_->add();
  tick_.emplace(loop_, -1, 0, trampoline<&Master::onTick>(), this);
  tick_->addUntil(in(seconds(1)));
  resume_.emplace(loop_, -1, 0, trampoline<&Master::resumeAccepting>(), this);
  return {};
}

int Master::run() {
  forkWorkers();
  resumeAccepting();
  if (estate_.predecessors.present()) {
    estate_.predecessors.ready();
    estate_.predecessors.watch(loop_, [this] { log().event(LogLevel::info, "an older master has ended"); });
    manager_.takeOver();
  } else {
    manager_.ready();
  }
  releaseFilePages();
  while (!mayEnd()) loop_.turn();
  log().event(LogLevel::info, "stopped");
  return 0;
}

// An older master that still drains is waited for, so that the end of this one is the end of all.
bool Master::mayEnd() const {
  return stopping_ && !estate_.predecessors.present() &&
         std::none_of(pools_.begin(), pools_.end(), [](auto& pool) { return pool->hasWorkers(); });
}

// ---- clients ------------------------------------------------------------------------------------

void Master::onClients(Listener& listener, std::uint16_t index) {
  Pool& pool = current();
  // Clients that come while the workers have their turn are taken and handed over with this one, at one
  // price.  With a relay each, too many workers wait to run, and each needs a message of its own.
  const auto now = Clock::now();
  const bool crowd = now - lastClients_ < closeBehind && pool.config().workers.relays > 1;
  lastClients_ = now;
  if (crowd) letOthersRun();
  pool.collect();
  for (int i = 0; i < acceptsAtOnce; ++i) {
    if (!pool.hasRoom()) {
      pauseAccepting(true);
      break;
    }
    if (i > 0 && !clientWaits(listener.fd())) break;
    Accepted accepted = acceptClient(listener.fd());
    if (!accepted.fd) {
      if (accepted.error != EAGAIN) {
        pauseAccepting(false);
        if (Clock::now() >= quietUntil_) {
          quietUntil_ = in(complaintInterval);
          log()
              .line(LogLevel::error)
              .field("event", "cannot accept")
              .field("reason", strerror(accepted.error));
        }
      }
      break;
    }
    admit(std::move(accepted), index);
  }
  pool.flush();
  pool.maintain();
  if (crowd) letOthersRun();
}

void Master::admit(Accepted accepted, std::uint16_t listener) {
  const Config& config = current().config();
  // A load balancer is not the source of the clients it brings.
  const auto& proxies = config.listeners.at(listener).proxyFrom;
  const unsigned limit = proxies && proxies->matches(accepted.peer.unmapped()) ? 0 : config.limits.perSource;
  if (!sources_.enter(accepted.peer.address, limit)) return refuse(accepted);
  current().offer({std::move(accepted.fd), accepted.peer, 0, listener});
}

void Master::refuse(const Accepted& accepted) {
  ++refused_;
  if (Clock::now() < quietUntil_) return;
  quietUntil_ = in(complaintInterval);
  log()
      .line(LogLevel::warning)
      .field("event", "too many relays of one source")
      .field("client", accepted.peer.unmapped().toString())
      .field("limit", std::uint64_t{current().config().limits.perSource})
      .field("refused", std::exchange(refused_, 0));
}

// Stops watching the listeners: until a worker has room again, or for a moment when the system is
// short of descriptors or memory.  Clients wait in the listen backlog meanwhile.
void Master::pauseAccepting(bool untilRoom) {
  listeners_.pause();
  accepting_ = false;
  if (!untilRoom) return resume_->addUntil(in(shortagePause));
  Pool& pool = current();
  pool.scoreboard().masterWaits().store(true);
  // A relay that ended between the last look and the store told nobody.
  pool.collect();
  if (pool.hasRoom()) resume_->addUntil(Clock::now());
}

void Master::resumeAccepting() {
  std::uint64_t wakeups = 0;
  (void)!read(wake_.get(), &wakeups, sizeof wakeups);
  if (stopping_ || accepting_) return;
  accepting_ = true;
  listeners_.watch();
}

// ---- time and children ---------------------------------------------------------------------------

void Master::onTick() {
  tick_->addUntil(in(seconds(1)));
  services_.eachSecond();
  for (auto& pool : pools_) {
    pool->collect();
    pool->flush();
  }
  for (auto& pool : pools_) pool->maintain();
  if (listeners_.waiting() != 0) refreshListeners();
  tellStatus();
  // A pool that had no worker may have one again.
  if (!accepting_ && current().hasRoom()) resumeAccepting();
  const auto now = Clock::now();
  if (now >= endAt_) endNow();
  if (now >= killAt_) {
    for (auto& pool : pools_) pool->kill();
  }
}

void Master::tellStatus() {
  if (stopping_) return;
  unsigned relays = 0;
  for (const auto& pool : pools_) relays += pool->relays();
  std::string text = std::to_string(relays) + " relays, " + std::to_string(listeners_.open()) + " listeners";
  if (const auto waiting = listeners_.waiting(); waiting != 0) {
    text += ", " + std::to_string(waiting) + " more wait for their address";
  }
  manager_.status(text);
}

void Master::reapChildren() {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) break;
    for (auto& pool : pools_) {
      if (pool->reap(pid, status)) break;
    }
  }
  // An old generation is gone when its last worker is.
  pools_.remove_if([this](auto& pool) { return pool != pools_.front() && !pool->hasWorkers(); });
  if (stopping_) return;
  current().maintain();
  resumeAccepting();
}

// ---- signals --------------------------------------------------------------------------------------

void Master::onSignalEvent(int signal, short, void* self) noexcept {
  static_cast<Master*>(self)->onSignal(signal);
}

void Master::onSignal(int signal) {
  switch (signal) {
    case SIGHUP: return reload();
    case SIGUSR1: return reopenLogs();
    case SIGUSR2: return upgrade();
    case SIGTERM: return stop(current().config().workers.drain);
    case SIGINT: return stop(seconds(0));
    case SIGCHLD: return reapChildren();
    default: break;
  }
}

void Master::stop(seconds drain) {
  unsigned relays = 0;
  for (auto& pool : pools_) {
    pool->collect();
    relays += pool->relays();
  }
  log()
      .line(LogLevel::info)
      .field("event", "stopping")
      .field("relays", std::uint64_t{relays})
      .field("drain", static_cast<std::uint64_t>(drain.count()));
  successor_.giveUp();
  estate_.predecessors.tellAll(drain == seconds(0) ? UpgradeWord::endNow : UpgradeWord::stop);
  manager_.stopping(drain);
  cease();
  endAt_ = std::min(endAt_, in(drain));
  if (drain == seconds(0)) endNow();
}

// No more clients come to this process.
void Master::cease() {
  stopping_ = true;
  accepting_ = false;
  interfaces_.reset();
  listeners_.closeAll();
  for (auto& pool : pools_) pool->retireAll();
}

void Master::endNow() {
  endAt_ = never;
  killAt_ = in(endPatience);
  for (auto& pool : pools_) pool->endNow();
}

void Master::reopenLogs() {
  for (auto& pool : pools_) pool->reopenLog();
  estate_.predecessors.tellAll(UpgradeWord::reopenLog);
}

void Master::reload() {
  if (stopping_) return;
  manager_.reloading();
  pauseAccepting(false);
  heapGaps_.open();
  if (const auto reloaded = tryReload(); !reloaded) {
    tidyMemory();
    log()
        .line(LogLevel::error)
        .field("event", "reload failed, the old configuration stays")
        .field("reason", reloaded.error().detail);
  }
  resumeAccepting();
  manager_.ready();
  releaseFilePages();
}

Result<void> Master::tryReload() {
  auto loaded = services_.reload();
  if (!loaded) return loaded.error();
  auto log = Log::open(loaded->config.log);
  if (!log) return log.error();
  raiseDescriptorLimitFor(loaded->config, *log);
  std::unique_ptr<Pool> next;
  try {
    next = makePool(std::move(loaded->config), *std::move(log));
  } catch (const std::exception& shortage) {
    return Error{Failure::exhausted, shortage.what()};
  }
  if (auto opened = listeners_.adopt(next->config().listeners, next->log()); !opened) return opened;

  current().retireAll();
  pools_.push_front(std::move(next));
  forkWorkers();
  pools_.remove_if([this](auto& pool) { return pool != pools_.front() && !pool->hasWorkers(); });
  this->log().event(LogLevel::info, "reloaded");
  return {};
}

// A successor that is starting has been given the sockets there were; one opened now would stand in its way.
void Master::refreshListeners() {
  if (!successor_.starting()) listeners_.refresh(log());
}

// ---- upgrade --------------------------------------------------------------------------------------

void Master::upgrade() {
  if (stopping_ || successor_.starting()) return;
  if (getpid() == 1) return onSuccessorFailed("process 1 can't end before its successor");
  log().line(LogLevel::info).field("event", "upgrading").field("program", estate_.program.path());
  manager_.reloading();
  const int pidFile = estate_.pidFile ? estate_.pidFile->fd() : -1;
  const auto started = successor_.start(
      estate_.program, {listeners_.descriptors(), pidFile, estate_.predecessors.links()});
  if (!started) onSuccessorFailed(started.error().detail);
}

void Master::onSuccessorFailed(const std::string& reason) {
  log().line(LogLevel::error).field("event", "upgrade failed, the old program stays").field("reason", reason);
  if (estate_.pidFile) estate_.pidFile->touch();
  listeners_.refresh(log());
  manager_.ready();
}

// The successor has the listeners, and with them the clients that wait there; the relays stay ours.
void Master::handOver() {
  log()
      .line(LogLevel::info)
      .field("event", "handed over")
      .field("successor", static_cast<std::uint64_t>(successor_.pid()));
  manager_.handOver(successor_.pid());
  if (estate_.pidFile) estate_.pidFile->handOver();
  estate_.predecessors.forget();
  cease();
}

void Master::onWord(UpgradeWord word) {
  switch (word) {
    case UpgradeWord::stop: return stop(current().config().workers.drain);
    case UpgradeWord::endNow: return stop(seconds(0));
    case UpgradeWord::reopenLog: return reopenLogs();
    case UpgradeWord::ready: break;
  }
}

// ---- generations ----------------------------------------------------------------------------------

std::unique_ptr<Pool> Master::makePool(Config config, Log log) {
  const auto by = [this](pid_t (*forking)()) {
    return [this, forking](std::span<const int> keep, const std::function<void()>& life) {
      return forkChild(forking, keep, life);
    };
  };
  return std::make_unique<Pool>(
      std::make_unique<const Config>(std::move(config)), std::make_unique<Log>(std::move(log)),
      Pool::Services{services_.workerMain, wake_.get(), services_.authHelperMain, services_.gssHelperMain,
                     services_.gssClientHelperMain, by(&forkLean), by(&fork),
                     [this](const IpAddress& source) { sources_.leave(source); }});
}

pid_t Master::forkChild(pid_t (*forking)(), std::span<const int> keep, const std::function<void()>& life) {
  // On the stack, of which each child has pages of its own anyway.
  std::array<std::byte, 512> room;
  std::pmr::monotonic_buffer_resource there(room.data(), room.size());
  std::pmr::vector<int> kept(keep.begin(), keep.end(), &there);
  kept.push_back(wake_.get());
  // No signal of the master's may run its handlers in the child.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  const pid_t pid = forking();
  const int error = errno;
  if (pid == 0) {
    resetSignals(handledSignals);
    closeAllBut(kept);
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  if (pid != 0) return pid;
  // What it throws ends it here: the frames below are the master's.
  [&]() noexcept { life(); }();
  _exit(0);
}

// After a configuration has been read: what is forked now starts with little of its own.
void Master::tidyMemory() {
  heapGaps_.fill();
  releaseFilePages();
}

void Master::forkWorkers() {
  tidyMemory();
  const unsigned wanted = current().config().workers.start;
  for (unsigned forked = 0; forked < wanted; forked += 8) current().maintain();
}

}  // namespace crossgate
