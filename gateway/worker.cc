// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/worker.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <list>
#include <utility>

#include "gateway/privilege.h"
#include "gateway/process.h"
#include "gateway/sandbox.h"
#include "gateway/session.h"

namespace crossgate {
namespace {

constexpr std::chrono::seconds complaintInterval{10};

class Worker {
 public:
  explicit Worker(WorkerStart start)
      : start_(std::move(start)),
        resolver_(loop_, start_.config.nameservers),
        loginDesk_(loop_, start_.questions),
        gssDesk_(loop_, start_.gssQuestions),
        gssClientDesk_(loop_, start_.gssClientQuestions),
        rules_(start_.ledger, start_.index),
        hops_(start_.hops, start_.index),
        services_{loop_,      start_.config, start_.log,      resolver_, pipes_, own_,
                  loginDesk_, gssDesk_,      gssClientDesk_, rules_,    hops_},
        orders_(loop_, start_.orders.get(), EV_READ | EV_PERSIST, &Worker::onOrders, this) {
    orders_.add();
  }

  void run() {
    while (!(noMore_ && sessions_.empty())) {
      // What comes for other relays while others have their turn is done in one turn of this worker's.
      if (sessions_.size() > 1) letOthersRun();
      loop_.turn();
      bury();
    }
  }

 private:
  struct Running {
    Running(Worker& owner, Client client, std::string id)
        : worker(owner), ticket(client.ticket), session(owner.services_, std::move(client), std::move(id)) {}
    Worker& worker;
    Scoreboard::Ticket ticket;
    std::list<Running>::iterator place;
    Session session;
    Task<void> task;
  };

  static void onOrders(int, short, void* self) noexcept { static_cast<Worker*>(self)->takeOrders(); }

  void takeOrders() {
    auto orders = receiveOrders(start_.orders.get());
    if (!orders) {
      start_.log.line(LogLevel::error).field("event", "bad orders").field("reason", orders.error().detail);
      _exit(1);
    }
    switch (orders->kind) {
      case Orders::Kind::nothing: return;
      case Orders::Kind::clients:
        for (Client& client : orders->clients) {
          if (client.fd)
            begin(std::move(client));
          else
            lose(client);
        }
        return;
      case Orders::Kind::log:
        if (orders->log) start_.log.follow(orders->log);
        return;
      case Orders::Kind::endNow: endAll(); [[fallthrough]];
      case Orders::Kind::noMore: noMore_ = true; return;
      case Orders::Kind::masterGone:
        noMore_ = true;
        orders_.remove();
        return;
    }
  }

  void begin(Client client) {
    const auto place = sessions_.emplace(sessions_.end(), *this, std::move(client), nextId());
    place->place = place;
    place->task = place->session.run();
    place->task.start(&Worker::onEnd, &*place);
  }

  // The kernel closed the client's connection, because this process is at its limit of descriptors.
  void lose(const Client& client) {
    ++lost_;
    if (Clock::now() >= quietUntil_) {
      quietUntil_ = in(complaintInterval);
      start_.log.line(LogLevel::error)
          .field("event", "no descriptor for a client")
          .field("client", client.peer.unmapped().toString())
          .field("lost", std::exchange(lost_, 0));
    }
    finish(client.ticket);
  }

  // Called from inside the session that has ended: it is destroyed later, when nobody stands on it.
  static void onEnd(void* running) noexcept {
    auto* ended = static_cast<Running*>(running);
    Worker& worker = ended->worker;
    worker.ended_.splice(worker.ended_.end(), worker.sessions_, ended->place);
  }

  void bury() {
    for (; !ended_.empty(); ended_.pop_front()) finish(ended_.front().ticket);
  }

  void endAll() {
    for (Running& running : sessions_) running.task.cancel();
    ended_.splice(ended_.end(), sessions_);
  }

  void finish(Scoreboard::Ticket ticket) {
    start_.scoreboard.finish(start_.index, ticket);
    if (!start_.scoreboard.masterWaits().load() || !start_.scoreboard.masterWaits().exchange(false)) return;
    const std::uint64_t one = 1;
    (void)!write(start_.wakeMaster, &one, sizeof one);
  }

  std::string nextId() { return pid_ + "." + std::to_string(++served_); }

  WorkerStart start_;
  EventLoop loop_;
  Resolver resolver_;
  PipePool pipes_;
  OwnAddresses own_;
  LoginDesk loginDesk_;
  GssDesk gssDesk_;
  GssDesk gssClientDesk_;
  RulePage rules_;
  HopPage hops_;
  Services services_;
  Event orders_;
  std::list<Running> sessions_;
  std::list<Running> ended_;
  const std::string pid_ = std::to_string(getpid());
  std::uint64_t served_ = 0;
  bool noMore_ = false;
  std::uint64_t lost_ = 0;  // clients since the last line about them
  Deadline quietUntil_{};
};

// A relay needs some 200 KiB at most while octets are on their way; a process needs to start with.
constexpr std::size_t memoryPerRelay = 1024 * 1024;
constexpr std::size_t memoryToStart = 1024UL * 1024 * 1024;

// libevent has a table of all numbers up to that of each descriptor it watches.
Fd lowest(Fd fd) noexcept {
  Fd copy(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  return copy && copy.get() < fd.get() ? std::move(copy) : std::move(fd);
}

// Gives up everything that relaying does not take.
Result<void> confine(const WorkerStart& start) {
  if (auto dropped = dropPrivileges(start.config.systemUser); !dropped) return dropped;
  if (!start.config.workers.sandbox || !hasSandbox()) return {};
  limitMemory(memoryToStart + start.config.workers.relays * memoryPerRelay);
  return enterSandbox(start.scoreboard.violation(start.index));
}

}  // namespace

void prepareWorkers() noexcept {
  tzset();
  (void)descriptorLimit();
}

void runWorker(WorkerStart start) {
  ignoreMastersSignals();
  wakeUpWithoutPreempting();
  start.orders = lowest(std::move(start.orders));
  if (const auto confined = confine(start); !confined) {
    start.log.line(LogLevel::error)
        .field("event", "cannot drop privileges")
        .field("reason", confined.error().detail);
    _exit(1);
  }
  Worker(std::move(start)).run();
}

}  // namespace crossgate
