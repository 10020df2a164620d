// SPDX-License-Identifier: BSD-2-Clause
// What the modes of the load program share: the options, and the time in which they count.
#pragma once

#include <sys/types.h>

#include <string>

#include "t/bench/client.h"
#include "t/bench/destination.h"
#include "t/bench/process_tree.h"
#include "t/bench/report.h"

namespace crossgate::bench {

struct Options {
  std::string mode;
  Route route;
  Family family = Family::ipv4;  ///< of the destination
  std::string name;              ///< non-empty: the destination is asked for by this name
  pid_t serverPid = 0;           ///< 0: the server's costs are not read
  unsigned concurrency = 32;
  unsigned relays = 1;
  unsigned active = 100;
  unsigned octets = 64;
  unsigned window = 8;
  unsigned rate = 0;  ///< connect: begun per second; 0: each of --concurrency as soon as it can
  double warmupSeconds = 0.5;
  double seconds = 3;
  std::uint64_t count = 0;  ///< soak: relays; pingpong, connect: ends early after so many (0: by time)
  std::string direction = "down";
  std::uint32_t seed = 1;
  bool split = false;  ///< the destination in a process of its own
  bool json = false;
  int cpu = -1;  ///< run on this CPU only
};

/// Everything a mode works with.
struct Load {
  Options options;
  Loop& loop;
  Client& client;
  ProcessTree server;
  std::uint16_t destinationPort;
  Report& report;

  Destination destination() const {
    if (!options.name.empty()) return {options.name, destinationPort};
    return {IpAddress::loopback(options.family), destinationPort};
  }
};

/// The part of a run that counts: it begins after the warm-up and ends with the loop.
class Window {
 public:
  explicit Window(const Load& load) : load_(load) {}

  bool open() const noexcept { return opened_ && !closed_; }
  /// Sleeps through the warm-up, opens, sleeps `seconds`, closes.
  Task<bool> pass();
  void begin();
  void end();
  double seconds() const noexcept { return seconds_; }
  double serverCpu() const noexcept { return serverCpu_; }
  /// Adds how busy the load program itself was: near 1 it was the bottleneck.
  void reportLoad(Report& report) const;

 private:
  const Load& load_;
  TimePoint start_{};
  double seconds_ = 0;
  double serverCpu_ = 0;
  double ownCpu_ = 0;
  bool opened_ = false;
  bool closed_ = false;
};

/// What every mode ends with: wrong octets make the run fail.
void checkTally(Load& load);

/// Why a relay could not be opened, for people.
std::string whyNot(const Opened& opened);

void runConnect(Load& load);
void runBulk(Load& load);
void runIdle(Load& load);
void runUdp(Load& load);
void runPingpong(Load& load);
void runSoak(Load& load);

}  // namespace crossgate::bench
