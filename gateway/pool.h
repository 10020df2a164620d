// SPDX-License-Identifier: BSD-2-Clause
// Pool: the workers of one generation (one configuration): who is idle, who gets the next client, when
// to fork and when to retire.
//
// A client goes to the worker that became idle last (its caches are warm).  When none is idle it goes
// to the least loaded one, up to `relays` each.  Forking happens between clients, never while one
// waits.  Workers that die young are replaced ever more slowly.
//
// A worker that is retired gets no more clients, finishes its relays and exits.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <memory_resource>
#include <optional>
#include <vector>

#include "gateway/config.h"
#include "gateway/handover.h"
#include "gateway/helper_process.h"
#include "gateway/hop_board.h"
#include "gateway/log.h"
#include "gateway/masters_memory.h"
#include "gateway/rule_ledger.h"
#include "gateway/scoreboard.h"

namespace crossgate {

class Pool {
 public:
  struct Services {
    WorkerMain workerMain;
    int wakeMaster;  ///< the eventfd that workers write to
    HelperMain authHelperMain;
    HelperMain gssHelperMain;
    HelperMain gssClientHelperMain;
    ForkChild forkWorker;
    ForkChild forkHelper;
    /// A relay has ended: its source has one less.
    std::function<void(const IpAddress& source)> relayEnded;
  };

  Pool(std::unique_ptr<const Config> config, std::unique_ptr<Log> log, Services services);

  /// In the master's memory.
  static void* operator new(std::size_t size) { return mastersMemory().allocate(size); }
  static void operator delete(void* pool, std::size_t size) { mastersMemory().deallocate(pool, size); }

  /// Takes in what workers have finished.  Cheap; to be called before a round of offer().
  void collect();
  /// True when a client could be taken now.
  bool hasRoom();
  /// Gives a client to a worker; false when there is no room.  The client leaves with flush().
  bool offer(Client client);
  /// Sends what offer() has assigned, one message per worker where possible.
  void flush();
  /// Forks or retires as the policy asks.
  void maintain();

  /// No more clients: every worker finishes what it has.
  void retireAll();
  /// Every worker ends its relays and exits.
  void endNow();
  void kill() const;

  /// Opens the log file again, for every process of this generation.
  void reopenLog();

  /// True when `pid` was one of ours; a worker's relays are lost unless it had finished them.
  bool reap(pid_t pid, int status);

  bool hasWorkers() const noexcept { return count_ > 0; }
  unsigned relays() const noexcept { return relays_; }
  const Config& config() const noexcept { return *config_; }
  const Log& log() const noexcept { return *log_; }
  Scoreboard& scoreboard() noexcept { return boards_->scoreboard; }

 private:
  using Time = std::chrono::steady_clock::time_point;

  // As the Pool itself, in the master's memory.
  template <typename T>
  class Table : public std::pmr::vector<T> {
   public:
    Table() : Table(0) {}
    explicit Table(std::size_t size) : std::pmr::vector<T>(size, &mastersMemory()) {}
  };

  // The memory that the workers share with the master; they have these objects, too, as the configuration and the log.
  struct Boards {
    Scoreboard scoreboard;
    RuleLedger ledger;
    HopBoard hops;
  };
  struct Worker {
    pid_t pid = 0;  // 0: a free slot
    Fd orders;
    bool retired = false;
    bool toldNoMore = false;
    bool condemned = false;  // it is being killed; what it says counts no more
    bool owedLog = false;  // the log was opened again, and it does not know yet
    std::uint64_t assigned = 0;
    std::uint64_t collected = 0;
    bool listedIdle = false;
    Time born{};
    Table<Client> outbox;

    unsigned load() const noexcept { return static_cast<unsigned>(assigned - collected); }
    bool serving() const noexcept { return pid != 0 && !retired; }
  };
  struct TicketInfo {
    unsigned worker = 0;
    bool inUse = false;
    IpAddress source;
  };

  bool spawn();
  void retire(unsigned index);
  std::optional<unsigned> choose();
  unsigned idleCount() const;
  void listIdle(unsigned index);
  bool spent(const Worker& worker) const;
  bool holds(unsigned index, Scoreboard::Ticket ticket) const;
  void condemn(unsigned index);
  void release(Scoreboard::Ticket ticket);
  void noteDeath(const Worker& worker, bool normal);
  void queue(unsigned index);
  bool deliver(Worker& worker) const;

  std::unique_ptr<const Config> config_;
  std::unique_ptr<Log> log_;
  Services services_;
  std::unique_ptr<Boards> boards_;
  HelperProcess authHelper_;
  HelperProcess gssHelper_;
  HelperProcess gssClientHelper_;
  Table<Worker> workers_;
  Table<unsigned> idle_;            // the worker that became idle last is at the end
  Table<TicketInfo> tickets_;
  Table<Scoreboard::Ticket> freeTickets_;
  Table<unsigned> outboxes_;        // workers with something to be sent
  unsigned count_ = 0;              // processes alive
  unsigned serving_ = 0;            // of these, not retired
  unsigned relays_ = 0;             // relays assigned and not finished
  unsigned earlyDeaths_ = 0;        // in a row
  Time forkNotBefore_{};
  bool started_ = false;  // `start` workers have stood once
  bool retired_ = false;
};

}  // namespace crossgate
