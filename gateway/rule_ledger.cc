// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/rule_ledger.h"

#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <new>
#include <string_view>
#include <utility>

#include "gateway/source_limits.h"
#include "lib/octets.h"

namespace crossgate {
namespace {

// FNV-1a over the parts, salted, so that nobody can choose names that fall together.  Never 0.
class Key {
 public:
  explicit Key(std::uint64_t salt) : value_(salt) {}
  Key& add(std::string_view text) {
    for (const char c : text) value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return *this;
  }
  Key& add(unsigned number) {
    value_ = (value_ ^ number) * 0x9e3779b97f4a7c15ULL;
    value_ ^= value_ >> 29;
    return *this;
  }
  std::uint64_t value() const { return value_ == 0 ? 1 : value_; }

 private:
  std::uint64_t value_;
};

}  // namespace

RuleLedger::RuleLedger(unsigned workers, unsigned entriesPerWorker, bool needed)
    : workers_(needed ? workers : 0), size_(entriesPerWorker), salt_(0) {
  if (!needed) return;
  // Short of randomness the keys still differ; they could only be guessed.
  (void)!getrandom(&salt_, sizeof salt_, GRND_NONBLOCK);
  const std::size_t heads = workers_ * sizeof(Head);
  octets_ = heads + std::size_t{workers_} * size_ * sizeof(Entry);
  void* memory = mmap(nullptr, octets_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  // Zeroed pages are valid empty atomics; those that nobody uses stay untouched.
  heads_ = static_cast<Head*>(memory);
  entries_ = reinterpret_cast<Entry*>(static_cast<std::byte*>(memory) + heads);
}

RuleLedger::~RuleLedger() {
  if (heads_ != nullptr) munmap(heads_, octets_);
}

void RuleLedger::wipe(unsigned worker) noexcept {
  if (heads_ == nullptr) return;
  const unsigned used = std::min(heads_[worker].used.exchange(0), size_);
  for (unsigned i = 0; i < used; ++i) {
    Entry& entry = this->entry(worker, i);
    entry.session = entry.user = entry.source = 0;
  }
}

unsigned RuleLedger::count(std::atomic<std::uint64_t> Entry::*member, std::uint64_t key) const noexcept {
  unsigned found = 0;
  for (unsigned worker = 0; worker < workers_; ++worker) {
    // The bound is for a worker that writes nonsense.
    const unsigned used = std::min(heads_[worker].used.load(), size_);
    for (unsigned i = 0; i < used; ++i) {
      if ((entry(worker, i).*member).load() == key) ++found;
    }
  }
  return found;
}

// ---- RulePage -----------------------------------------------------------------------------------

unsigned RulePage::takeFree() {
  if (!free_.empty()) {
    const unsigned index = free_.back();
    free_.pop_back();
    return index;
  }
  return used_++;
}

Result<unsigned> RulePage::claim(const AccessRule& rule, const Subject& subject) {
  const unsigned index = takeFree();
  if (index >= ledger_.size_) {
    free_.push_back(index);
    return Error{Failure::exhausted, "no room to count sessions"};
  }
  RuleLedger::Entry& entry = ledger_.entry(worker_, index);
  const std::uint64_t session = Key(ledger_.salt_).add(rule.number).value();
  const std::uint64_t user = Key(ledger_.salt_).add(rule.number).add(subject.user).value();
  const IpAddress network = SourceLimits::keyOf(subject.client.address);
  const std::uint64_t source = Key(ledger_.salt_).add(rule.number).add(textOf(network.octets())).value();
  entry.session = session;
  entry.user = user;
  entry.source = source;
  ledger_.heads_[worker_].used = used_;

  const RuleLimits& limits = rule.limits;
  const char* reached = nullptr;
  if (limits.sessions != 0 && ledger_.count(&RuleLedger::Entry::session, session) > limits.sessions) {
    reached = "sessions";
  } else if (limits.perUser != 0 && ledger_.count(&RuleLedger::Entry::user, user) > limits.perUser) {
    reached = "per-user";
  } else if (limits.perSource != 0 && ledger_.count(&RuleLedger::Entry::source, source) > limits.perSource) {
    reached = "per-source";
  }
  if (reached == nullptr) return index;
  release(index);
  return Error{Failure::denied, std::string("the limit ") + reached + " of the rule at " + rule.place};
}

void RulePage::release(unsigned index) noexcept {
  RuleLedger::Entry& entry = ledger_.entry(worker_, index);
  entry.session = entry.user = entry.source = 0;
  free_.push_back(index);
}

// ---- RuleClaims ---------------------------------------------------------------------------------

RuleClaims::~RuleClaims() {
  giveBack([](const Claimed&) { return true; });
}

template <class Which>
void RuleClaims::giveBack(Which which) {
  std::erase_if(claimed_, [&](const Claimed& claimed) {
    if (!which(claimed)) return false;
    page_.release(claimed.entry);
    return true;
  });
}

Result<void> RuleClaims::claim(const AccessRule& rule, const Subject& subject) {
  const auto isOfRule = [&](const Claimed& claimed) { return claimed.rule == &rule; };
  if (rule.limits.any() && std::none_of(claimed_.begin(), claimed_.end(), isOfRule)) {
    const auto entry = page_.claim(rule, subject);
    if (!entry) return entry.error();
    claimed_.push_back({&rule, *entry});
  }
  const AccessRule* before = std::exchange(forNow_, nullptr);
  if (before != nullptr && before != &rule) giveBack([&](const Claimed& claimed) { return claimed.rule == before; });
  return {};
}

Result<void> RuleClaims::claimForNow(const AccessRule& rule, const Subject& subject) {
  auto claimed = claim(rule, subject);
  if (claimed) forNow_ = &rule;
  return claimed;
}

void RuleClaims::keepOnly(const AccessRule& rule) {
  giveBack([&](const Claimed& claimed) { return claimed.rule != &rule; });
}

bool RuleClaims::isNew(const AccessRule& rule) {
  if (std::find(met_.begin(), met_.end(), &rule) != met_.end()) return false;
  met_.push_back(&rule);
  return true;
}

}  // namespace crossgate
