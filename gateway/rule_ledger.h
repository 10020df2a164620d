// SPDX-License-Identifier: BSD-2-Clause
// RuleLedger: how many sessions each rule with limits has now, across all workers of a generation.
//
// Shared memory in which every worker has a page of its own, with an entry for each session that such
// a rule permits; nobody else writes to it, so nothing is locked.  To be permitted, a session writes
// its entry first and then counts all entries like it: two that come at once may both be turned
// away, never both let in.  The master wipes the page of a worker that died, so that no count leaks.
//
// Counting reads every entry in use (24 octets each), only for rules that have limits.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "gateway/access.h"
#include "lib/result.h"

namespace crossgate {

class RuleLedger {
 public:
  /// Without `needed` there is no memory behind it, and nothing may be claimed.  Throws std::bad_alloc.
  RuleLedger(unsigned workers, unsigned entriesPerWorker, bool needed);
  ~RuleLedger();
  RuleLedger(const RuleLedger&) = delete;
  RuleLedger& operator=(const RuleLedger&) = delete;

  /// The master's side: a worker is gone.
  void wipe(unsigned worker) noexcept;

 private:
  friend class RulePage;
  struct Entry {
    std::atomic<std::uint64_t> session, user, source;  // keys; 0: free
  };
  struct alignas(64) Head {
    std::atomic<unsigned> used;  // entries from here on are free
  };
  Entry& entry(unsigned worker, unsigned index) const noexcept {
    return entries_[std::size_t{worker} * size_ + index];
  }
  unsigned count(std::atomic<std::uint64_t> Entry::*member, std::uint64_t key) const noexcept;

  unsigned workers_;
  unsigned size_;
  std::uint64_t salt_;
  std::size_t octets_ = 0;
  Head* heads_ = nullptr;
  Entry* entries_ = nullptr;
};

/// A worker's own page.
class RulePage {
 public:
  RulePage(RuleLedger& ledger, unsigned worker) : ledger_(ledger), worker_(worker) {}

  /// The number of an entry for a session of `subject` under `rule`; denied when a limit is reached.
  Result<unsigned> claim(const AccessRule& rule, const Subject& subject);
  void release(unsigned entry) noexcept;

 private:
  unsigned takeFree();

  RuleLedger& ledger_;
  unsigned worker_;
  std::vector<unsigned> free_;
  unsigned used_ = 0;
};

/// What one session has claimed; gives it back at its end.
class RuleClaims {
 public:
  explicit RuleClaims(RulePage& page) : page_(page) {}
  RuleClaims(const RuleClaims&) = delete;
  RuleClaims& operator=(const RuleClaims&) = delete;
  ~RuleClaims();

  /// Nothing to do for a rule without limits.  A session counts under each rule that has permitted it something, once.
  Result<void> claim(const AccessRule& rule, const Subject& subject);
  /// The same until the next claim.
  Result<void> claimForNow(const AccessRule& rule, const Subject& subject);
  bool several() const noexcept { return claimed_.size() > 1; }
  /// Gives back what was claimed under other rules.
  void keepOnly(const AccessRule& rule);
  /// True the first time this session meets the rule.
  bool isNew(const AccessRule& rule);

 private:
  struct Claimed {
    const AccessRule* rule;
    unsigned entry;
  };
  template <class Which>
  void giveBack(Which which);

  RulePage& page_;
  std::vector<Claimed> claimed_;
  const AccessRule* forNow_ = nullptr;
  std::vector<const AccessRule*> met_;
};

}  // namespace crossgate
