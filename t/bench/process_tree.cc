// SPDX-License-Identifier: BSD-2-Clause
#include "t/bench/process_tree.h"

#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace crossgate::bench {
namespace {

namespace fs = std::filesystem;

fs::path folderOf(pid_t pid) { return fs::path("/proc") / std::to_string(pid); }

// The fields of /proc/PID/stat from the third on; the second, the command, may hold anything, so
// that the last closing parenthesis is where the rest begins.  Empty for a process that is gone.
struct Stat {
  pid_t parent = 0;
  long childTicks = 0;  // of children that have ended
};
bool readStat(pid_t pid, Stat& stat) {
  std::ifstream file(folderOf(pid) / "stat");
  std::string line;
  if (!std::getline(file, line)) return false;
  const auto end = line.rfind(')');
  if (end == std::string::npos) return false;
  std::istringstream rest(line.substr(end + 1));
  std::string skipped;
  rest >> skipped >> stat.parent;                // state, ppid
  for (int i = 5; i < 16; ++i) rest >> skipped;  // pgrp ... stime
  long childUser = 0, childSystem = 0;
  rest >> childUser >> childSystem;
  stat.childTicks = childUser + childSystem;
  return bool(rest);
}

// All its threads, those that have ended too, to the nanosecond: the ticks of /proc/PID/stat would lose up to
// two of 10 ms for each process of a hundred.
double ownCpuSeconds(pid_t pid) {
  clockid_t clock = 0;
  timespec used{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

// The number after `key` in a file of "Key:  123 kB" lines.
std::uint64_t field(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return std::strtoull(line.c_str() + key.size(), nullptr, 10);
  }
  return 0;
}

unsigned entries(const fs::path& folder) {
  std::error_code failed;
  unsigned count = 0;
  for (fs::directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed)) ++count;
  return count;
}

}  // namespace

std::vector<pid_t> ProcessTree::processes() const {
  std::multimap<pid_t, pid_t> children;
  std::error_code failed;
  for (fs::directory_iterator it("/proc", failed), end; !failed && it != end; it.increment(failed)) {
    const pid_t pid = std::atoi(it->path().filename().c_str());
    if (Stat stat; pid > 0 && readStat(pid, stat)) children.emplace(stat.parent, pid);
  }
  std::vector<pid_t> tree{root_};
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const auto [from, to] = children.equal_range(tree[i]);
    for (auto it = from; it != to; ++it) tree.push_back(it->second);
  }
  return tree;
}

double ProcessTree::cpuSeconds() const {
  double seconds = 0;
  long ticks = 0;
  for (const pid_t pid : processes()) {
    seconds += ownCpuSeconds(pid);
    if (Stat stat; readStat(pid, stat)) ticks += stat.childTicks;
  }
  return seconds + static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

Memory ProcessTree::memory() const {
  Memory sum;
  for (const pid_t pid : processes()) {
    const fs::path folder = folderOf(pid);
    sum.pssKb += field(folder / "smaps_rollup", "Pss:");
    sum.anonymousKb += field(folder / "smaps_rollup", "Pss_Anon:");
    sum.pageTablesKb += field(folder / "status", "VmPTE:");
    sum.threads += static_cast<unsigned>(field(folder / "status", "Threads:"));
    sum.descriptors += entries(folder / "fd");
    ++sum.processes;
  }
  return sum;
}

}  // namespace crossgate::bench
