// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/login_memory.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "lib/invariant.h"
#include "lib/octets.h"

namespace crossgate {

std::size_t DigestHash::operator()(const Digest& digest) const noexcept {
  std::size_t value = 0;
  std::memcpy(&value, digest.data(), sizeof value);
  return value;
}

KeyedHash::KeyedHash() {
  const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> hmac(EVP_MAC_fetch(nullptr, "HMAC", nullptr), &EVP_MAC_free);
  if (hmac) context_.reset(EVP_MAC_CTX_new(hmac.get()));
  char sha256[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
                                   OSSL_PARAM_construct_end()};
  std::array<std::uint8_t, 32> key;
  const bool made = context_ && RAND_bytes(key.data(), static_cast<int>(key.size())) == 1 &&
                    EVP_MAC_init(context_.get(), key.data(), key.size(), parameters) == 1;
  OPENSSL_cleanse(key.data(), key.size());
  if (!made) throw std::runtime_error("no randomness, or no HMAC");
}

// The lengths of the first two keep ("ab", "c") and ("a", "bc") apart.
Digest KeyedHash::digest(char kind, std::string_view first, std::string_view second,
                         std::string_view third) const {
  const std::uint8_t head[] = {static_cast<std::uint8_t>(kind), static_cast<std::uint8_t>(first.size()),
                               static_cast<std::uint8_t>(second.size())};
  const auto add = [this](const void* octets, std::size_t size) {
    return EVP_MAC_update(context_.get(), static_cast<const std::uint8_t*>(octets), size) == 1;
  };
  Digest result;
  std::size_t length = 0;
  // Without a key it begins again with the one it has.
  const bool made = EVP_MAC_init(context_.get(), nullptr, 0, nullptr) == 1 && add(head, sizeof head) &&
                    add(first.data(), first.size()) && add(second.data(), second.size()) &&
                    add(third.data(), third.size()) &&
                    EVP_MAC_final(context_.get(), result.data(), &length, result.size()) == 1;
  ensure(made && length == result.size());
  return result;
}

Digest KeyedHash::ofLogin(const std::string& user, const std::string& password) const {
  return digest('l', user, password);
}

Digest KeyedHash::ofLoginFrom(const IpAddress& source, const std::string& user,
                              const std::string& password) const {
  return digest('f', textOf(source.octets()), user, password);
}

Digest KeyedHash::ofUser(const std::string& user) const { return digest('u', user, ""); }

Digest KeyedHash::ofSource(const IpAddress& source) const {
  const IpAddress address = source.unmapped();
  const auto octets = address.octets().first(address.isV4() ? 4 : 8);
  return digest('s', textOf(octets), "");
}

// ---- RecentTable --------------------------------------------------------------------------------

RecentTable::Entry* RecentTable::find(const Digest& key) {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &*found->second;
}

RecentTable::Entry& RecentTable::touch(const Digest& key, Time time) {
  if (const auto found = index_.find(key); found != index_.end()) {
    entries_.splice(entries_.end(), entries_, found->second);
  } else {
    if (index_.size() >= capacity_) erase(entries_.front().key);
    entries_.push_back({key, 0, time});
    index_.emplace(key, std::prev(entries_.end()));
  }
  entries_.back().time = time;
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

std::chrono::nanoseconds LoginMemory::left(const Digest& login, Time now) {
  const RecentTable::Entry* entry = logins_.find(login);
  if (entry == nullptr) return {};
  if (now < entry->time) return entry->time - now;
  logins_.erase(login);
  return {};
}

// ---- FailureTable -------------------------------------------------------------------------------

unsigned FailureTable::countUp(RecentTable& table, const Digest& key, Time now) const {
  const RecentTable::Entry* known = table.find(key);
  const bool forgiven = known != nullptr && now - known->time >= pause_;
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
  return limit_ != 0 && entry != nullptr && entry->count >= limit_ && now - entry->time < pause_;
}

}  // namespace crossgate
