// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/pool.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "gateway/process.h"
#include "gateway/sandbox.h"
#include "lib/fdpass.h"

namespace crossgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Rules under which every relay of a worker may count at once.
constexpr unsigned mostClaims = 8;
// A worker that lives shorter than this died young.
constexpr seconds youth{5};
constexpr milliseconds firstPause{100};
constexpr milliseconds longestPause{30'000};
// Forks in one round of maintain(); each takes about a third of a millisecond of the master's time.
constexpr unsigned forksAtOnce = 8;

}  // namespace

Pool::Pool(std::unique_ptr<const Config> config, std::unique_ptr<Log> log, Services services)
    : config_(std::move(config)),
      log_(std::move(log)),
      services_(std::move(services)),
      boards_(new Boards{{config_->workers.max, config_->workers.relays},
                         {config_->workers.max, config_->workers.relays * std::min(config_->access.limited(), mostClaims),
                          config_->access.limited() > 0},
                         {config_->workers.max, config_->routes.hopCount(), config_->route.down}}),
      authHelper_("auth helper", config_->auth.offers(socks5::Method::userpass), *config_, *log_,
                  services_.authHelperMain, services_.forkHelper),
      gssHelper_("GSSAPI helper", config_->auth.offers(socks5::Method::gssapi), *config_, *log_,
                 services_.gssHelperMain, services_.forkHelper),
      gssClientHelper_("GSSAPI client helper", config_->routes.usesGssapi(), *config_, *log_,
                       services_.gssClientHelperMain, services_.forkHelper),
      workers_(config_->workers.max) {
  idle_.reserve(workers_.size());
}

void Pool::collect() {
  for (unsigned i = 0; i < workers_.size(); ++i) {
    Worker& worker = workers_[i];
    if (worker.pid == 0 || worker.condemned || worker.load() == 0) continue;
    for (auto left = boards_->scoreboard.finished(i) - worker.collected; left > 0; --left) {
      const Scoreboard::Ticket ticket = boards_->scoreboard.ticketOf(i, worker.collected);
      if (!holds(i, ticket)) {
        condemn(i);
        break;
      }
      ++worker.collected;
      release(ticket);
    }
    if (worker.load() == 0) listIdle(i);
  }
}

// A worker parses what strangers send: what it writes may be theirs, and no number of it is taken on trust.
bool Pool::holds(unsigned index, Scoreboard::Ticket ticket) const {
  return ticket < tickets_.size() && tickets_[ticket].inUse && tickets_[ticket].worker == index;
}

void Pool::condemn(unsigned index) {
  Worker& worker = workers_[index];
  log_->line(LogLevel::error)
      .field("event", "worker killed")
      .field("pid", static_cast<std::uint64_t>(worker.pid))
      .field("reason", "it has ended a relay that is not its own");
  worker.condemned = true;
  ::kill(worker.pid, SIGKILL);
  retire(index);
}

void Pool::release(Scoreboard::Ticket ticket) {
  TicketInfo& info = tickets_[ticket];
  info.inUse = false;
  freeTickets_.push_back(ticket);
  --relays_;
  services_.relayEnded(info.source);
}

void Pool::listIdle(unsigned index) {
  Worker& worker = workers_[index];
  if (!worker.serving() || worker.listedIdle) return;
  if (spent(worker)) return retire(index);
  worker.listedIdle = true;
  idle_.push_back(index);
}

bool Pool::spent(const Worker& worker) const {
  return config_->workers.lifetime != 0 && worker.assigned >= config_->workers.lifetime;
}

unsigned Pool::idleCount() const { return static_cast<unsigned>(idle_.size()); }

std::optional<unsigned> Pool::choose() {
  while (!idle_.empty()) {
    const unsigned index = idle_.back();
    if (workers_[index].serving()) return index;
    idle_.pop_back();
  }
  std::optional<unsigned> least, leastSpent;
  for (unsigned i = 0; i < workers_.size(); ++i) {
    const Worker& worker = workers_[i];
    if (!worker.serving() || worker.load() >= config_->workers.relays) continue;
    std::optional<unsigned>& best = spent(worker) ? leastSpent : least;
    if (!best || worker.load() < workers_[*best].load()) best = i;
  }
  // One that is to be replaced when its relays have ended still serves rather than let clients wait.
  return least ? least : leastSpent;
}

bool Pool::hasRoom() { return !retired_ && choose().has_value(); }

bool Pool::offer(Client client) {
  if (retired_) return false;
  const auto index = choose();
  if (!index) return false;
  Worker& worker = workers_[*index];
  if (worker.listedIdle) {
    idle_.pop_back();
    worker.listedIdle = false;
  }
  if (freeTickets_.empty()) {
    freeTickets_.push_back(static_cast<Scoreboard::Ticket>(tickets_.size()));
    tickets_.emplace_back();
  }
  client.ticket = freeTickets_.back();
  freeTickets_.pop_back();
  tickets_[client.ticket] = {*index, true, client.peer.address};
  ++worker.assigned;
  ++relays_;
  if (worker.outbox.empty()) queue(*index);
  worker.outbox.push_back(std::move(client));
  return true;
}

void Pool::queue(unsigned index) {
  if (std::find(outboxes_.begin(), outboxes_.end(), index) == outboxes_.end()) outboxes_.push_back(index);
}

// A worker whose queue is full keeps its clients in the outbox until the next round.
void Pool::flush() {
  std::erase_if(outboxes_, [&](unsigned index) { return deliver(workers_[index]); });
}

bool Pool::deliver(Worker& worker) const {
  if (worker.owedLog) {
    const auto sent = sendLog(worker.orders.get(), log_->fd());
    if (!sent && sent.error().failure == Failure::exhausted) return false;
    worker.owedLog = false;
  }
  while (!worker.outbox.empty()) {
    const std::size_t count = std::min(worker.outbox.size(), maxPassedFds);
    const auto sent = sendClients(worker.orders.get(), {worker.outbox.data(), count});
    if (!sent && sent.error().failure == Failure::exhausted) return false;
    // Sent, or the worker is dead and reap() counts them as lost.
    worker.outbox.erase(worker.outbox.begin(), worker.outbox.begin() + static_cast<std::ptrdiff_t>(count));
  }
  if (worker.retired && !worker.toldNoMore) {
    worker.toldNoMore = true;
    (void)sendNoMore(worker.orders.get());  // a worker that is dead has no use for it
  }
  return true;
}

void Pool::maintain() {
  // The relays of a retired generation may still log in.
  authHelper_.maintain();
  gssHelper_.maintain();
  gssClientHelper_.maintain();
  if (retired_) return;
  flush();
  const WorkersConfig& policy = config_->workers;
  started_ = started_ || serving_ >= policy.start;
  unsigned wanted = idleCount() < policy.spareMin ? policy.spareMin - idleCount() : 0;
  if (!started_) wanted = std::max(wanted, policy.start - serving_);
  const unsigned needed = serving_ == 0 ? std::max(wanted, 1U) : wanted;
  const unsigned room = policy.max > count_ ? policy.max - count_ : 0;
  for (unsigned i = 0; i < std::min({needed, room, forksAtOnce}); ++i) {
    if (!spawn()) break;
  }
  // Those idle the longest go first, half of the excess a round, so that a lull does not end them all.
  if (idleCount() > policy.spareMax) {
    const unsigned excess = (idleCount() - policy.spareMax + 1) / 2;
    const std::vector<unsigned> oldest(idle_.begin(), idle_.begin() + excess);
    for (const unsigned index : oldest) retire(index);
  }
}

bool Pool::spawn() {
  const auto now = std::chrono::steady_clock::now();
  if (now < forkNotBefore_) return false;
  const auto slot =
      std::find_if(workers_.begin(), workers_.end(), [](const Worker& w) { return w.pid == 0; });
  if (slot == workers_.end()) return false;
  const auto index = static_cast<unsigned>(slot - workers_.begin());

  const auto postpone = [&](const Error& error) {
    log_->line(LogLevel::error).field("event", "no new worker").field("reason", error.detail);
    forkNotBefore_ = now + seconds(1);
    return false;
  };
  auto pair = messagePair();
  if (!pair) return postpone(pair.error());
  boards_->scoreboard.reset(index);

  // Of the logs only its own, which it is told to open again: a file that others log to must not stay open here.
  const std::array keep{pair->theirs.get(), authHelper_.questions(), gssHelper_.questions(),
                        gssClientHelper_.questions(), log_->fd()};
  WorkerStart start{*config_,
                    *log_,
                    boards_->scoreboard,
                    index,
                    std::move(pair->theirs),
                    services_.wakeMaster,
                    authHelper_.questions(),
                    gssHelper_.questions(),
                    gssClientHelper_.questions(),
                    boards_->ledger,
                    boards_->hops};
  const pid_t pid =
      services_.forkWorker(keep, [&start, main = services_.workerMain] { main(std::move(start)); });
  if (pid < 0) return postpone(systemError("fork", errno));
  slot->pid = pid;
  slot->orders = std::move(pair->ours);
  slot->assigned = slot->collected = 0;
  slot->born = now;
  ++count_;
  ++serving_;
  listIdle(index);
  return true;
}

void Pool::retire(unsigned index) {
  Worker& worker = workers_[index];
  if (!worker.serving()) return;
  if (worker.listedIdle) std::erase(idle_, index);
  worker.listedIdle = false;
  worker.retired = true;
  if (!deliver(worker)) queue(index);
  --serving_;
}

void Pool::retireAll() {
  retired_ = true;
  for (unsigned i = 0; i < workers_.size(); ++i) retire(i);
}

void Pool::endNow() {
  retireAll();
  for (const Worker& worker : workers_) {
    if (worker.pid != 0) (void)sendEndNow(worker.orders.get());  // kill() comes to who can't hear it
  }
}

void Pool::kill() const {
  for (const Worker& worker : workers_) {
    if (worker.pid != 0) ::kill(worker.pid, SIGKILL);
  }
}

void Pool::reopenLog() {
  if (const auto reopened = log_->reopen(); !reopened) {
    log_->line(LogLevel::error)
        .field("event", "the log stays where it was")
        .field("reason", reopened.error().detail);
    return;
  }
  log_->event(LogLevel::info, "log opened again");
  if (log_->fd() < 0) return;  // stderr, which is nobody's to open
  authHelper_.followLog();
  gssHelper_.followLog();
  gssClientHelper_.followLog();
  for (unsigned i = 0; i < workers_.size(); ++i) {
    if (workers_[i].pid == 0) continue;
    workers_[i].owedLog = true;
    if (!deliver(workers_[i])) queue(i);
  }
}

bool Pool::reap(pid_t pid, int status) {
  for (HelperProcess* helper : {&authHelper_, &gssHelper_, &gssClientHelper_}) {
    if (helper->reap(pid, status)) return true;
  }
  const auto found =
      std::find_if(workers_.begin(), workers_.end(), [&](const Worker& w) { return w.pid == pid; });
  if (pid == 0 || found == workers_.end()) return false;
  const auto index = static_cast<unsigned>(found - workers_.begin());
  collect();

  const unsigned lost = found->load();
  const bool normal = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!normal) {
    auto line = log_->line(LogLevel::error);
    line.field("event", "worker died").field("pid", static_cast<std::uint64_t>(pid));
    describeEnd(line, status);
    if (const int violation = boards_->scoreboard.violation(index).load(); violation != 0) {
      line.field("forbidden_call", systemCallName(violation - 1));
    }
    line.field("relays_lost", std::uint64_t{lost});
  }
  for (Scoreboard::Ticket ticket = 0; ticket < tickets_.size(); ++ticket) {
    if (tickets_[ticket].inUse && tickets_[ticket].worker == index) release(ticket);
  }
  noteDeath(*found, normal);
  boards_->ledger.wipe(index);
  boards_->hops.wipe(index);
  retire(index);
  std::erase(outboxes_, index);  // what it was not sent is lost with it
  *found = Worker{};
  --count_;
  return true;
}

void Pool::noteDeath(const Worker& worker, bool normal) {
  const auto now = std::chrono::steady_clock::now();
  if (normal || now - worker.born >= youth) {
    earlyDeaths_ = 0;
    return;
  }
  // The first is replaced at once.  Workers that die while forking rests anyway were born before: they say
  // nothing new.
  if (now < forkNotBefore_ || ++earlyDeaths_ == 1) return;
  const auto pause = std::min(firstPause * (1 << std::min(earlyDeaths_ - 2, 10U)), longestPause);
  forkNotBefore_ = now + pause;
  log_->line(LogLevel::warning)
      .field("event", "workers die young")
      .field("in_a_row", std::uint64_t{earlyDeaths_})
      .field("next_fork_in", std::chrono::duration<double>(pause).count());
}

}  // namespace crossgate
