// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/login_memory.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "lib/invariant.h"

namespace crossgate {

std::size_t DigestHash::operator()(const Digest& digest) const noexcept {
  std::size_t value = 0;
  std::memcpy(&value, digest.data(), sizeof value);
  return value;
}

KeyedHash::KeyedHash() {
  if (RAND_bytes(key_.data(), static_cast<int>(key_.size())) != 1) throw std::runtime_error("no randomness");
}

KeyedHash::~KeyedHash() { OPENSSL_cleanse(key_.data(), key_.size()); }

// The length of the first part keeps ("ab", "c") and ("a", "bc") apart.
Digest KeyedHash::digest(char kind, std::string_view first, std::string_view second) const {
  std::string text{kind, static_cast<char>(first.size())};
  text.reserve(2 + first.size() + second.size());
  text += first;
  text += second;
  Digest result;
  unsigned length = 0;
  const auto* made =
      HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), result.data(), &length);
  OPENSSL_cleanse(text.data(), text.size());
  ensure(made != nullptr && length == result.size());
  return result;
}

Digest KeyedHash::ofLogin(const std::string& user, const std::string& password) const {
  return digest('l', user, password);
}

Digest KeyedHash::ofUser(const std::string& user) const { return digest('u', user, ""); }

Digest KeyedHash::ofSource(const IpAddress& source) const {
  const IpAddress address = source.unmapped();
  const auto octets = address.octets().first(address.isV4() ? 4 : 8);
  return digest('s', {reinterpret_cast<const char*>(octets.data()), octets.size()}, "");
}

// ---- RecentTable --------------------------------------------------------------------------------

RecentTable::Entry* RecentTable::find(const Digest& key) {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &*found->second;
}

RecentTable::Entry& RecentTable::touch(const Digest& key, Time now) {
  if (const auto found = index_.find(key); found != index_.end()) {
    entries_.splice(entries_.end(), entries_, found->second);
  } else {
    if (index_.size() >= capacity_) erase(entries_.front().key);
    entries_.push_back({key, 0, now});
    index_.emplace(key, std::prev(entries_.end()));
  }
  entries_.back().touched = now;
  return entries_.back();
}

void RecentTable::erase(const Digest& key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return;
  const auto place = found->second;
  index_.erase(found);
  entries_.erase(place);
}

void RecentTable::clear() {
  index_.clear();
  entries_.clear();
}

// ---- LoginMemory --------------------------------------------------------------------------------

void LoginMemory::remember(const Digest& login, Time now) {
  if (keep_ > std::chrono::seconds(0)) logins_.touch(login, now);
}

// A use does not prolong the memory: a password that was changed is out of it after `keep`.
bool LoginMemory::knows(const Digest& login, Time now) {
  const RecentTable::Entry* entry = logins_.find(login);
  if (entry == nullptr) return false;
  if (now - entry->touched < keep_) return true;
  logins_.erase(login);
  return false;
}

// ---- FailureTable -------------------------------------------------------------------------------

unsigned FailureTable::countUp(RecentTable& table, const Digest& key, Time now) const {
  const RecentTable::Entry* known = table.find(key);
  const bool forgiven = known != nullptr && now - known->touched >= pause_;
  RecentTable::Entry& entry = table.touch(key, now);
  entry.count = forgiven ? 1 : entry.count + 1;
  return entry.count;
}

FailureTable::Outcome FailureTable::note(const Digest& source, const Digest& user, Time now) {
  const unsigned ofSource = countUp(sources_, source, now);
  const unsigned ofUser = countUp(users_, user, now);
  const unsigned doublings = std::min(std::max(ofSource, ofUser) - 1, 10U);
  return {std::min(firstDelay * (1 << doublings), longestDelay), limit_ != 0 && ofSource == limit_};
}

bool FailureTable::refuses(const Digest& source, Time now) {
  const RecentTable::Entry* entry = sources_.find(source);
  return limit_ != 0 && entry != nullptr && entry->count >= limit_ && now - entry->touched < pause_;
}

}  // namespace crossgate
