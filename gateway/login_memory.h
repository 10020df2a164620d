// SPDX-License-Identifier: BSD-2-Clause
// What the auth helper remembers: logins that succeeded a moment ago, and who fails how often; and what a
// worker does: logins that the helper has just accepted.
//
// No table holds a name or a password: keys are a keyed hash, whose key is made anew in every process and
// never leaves it.  All tables have a fixed size; a full one forgets what is oldest.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "lib/address.h"

namespace crossgate {

using Digest = std::array<std::uint8_t, 32>;

struct DigestHash {
  std::size_t operator()(const Digest& digest) const noexcept;
};

/// HMAC-SHA-256 under a random key.
class KeyedHash {
 public:
  KeyedHash();  ///< throws std::runtime_error when there is no randomness, or no HMAC
  Digest ofLogin(const std::string& user, const std::string& password) const;
  Digest ofLoginFrom(const IpAddress& source, const std::string& user, const std::string& password) const;
  Digest ofUser(const std::string& user) const;
  /// Of an IPv4 address, or of the /64 of an IPv6 one.
  Digest ofSource(const IpAddress& source) const;

 private:
  struct ContextDeleter {
    void operator()(EVP_MAC_CTX* context) const noexcept { EVP_MAC_CTX_free(context); }
  };
  Digest digest(char kind, std::string_view first, std::string_view second,
                std::string_view third = {}) const;

  std::unique_ptr<EVP_MAC_CTX, ContextDeleter> context_;  // has the key; made once, which costs most
};

/// A map from digests to a number and a time, bounded, which forgets what was touched longest ago.
class RecentTable {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Entry {
    Digest key;
    unsigned count = 0;
    Time time;  ///< given by who touched it last
  };
  explicit RecentTable(std::size_t capacity) : capacity_(capacity) {}

  Entry* find(const Digest& key);
  Entry& touch(const Digest& key, Time time);
  void erase(const Digest& key);
  void clear();
  std::size_t size() const noexcept { return index_.size(); }

 private:
  std::size_t capacity_;
  std::list<Entry> entries_;  // touched last at the end
  std::unordered_map<Digest, std::list<Entry>::iterator, DigestHash> index_;
};

/// Logins that succeeded, each until its time.
class LoginMemory {
 public:
  using Time = RecentTable::Time;
  explicit LoginMemory(std::size_t capacity) : logins_(capacity) {}

  void remember(const Digest& login, Time until) { logins_.touch(login, until); }
  /// How long it is still good; 0 when it is not known.  A use prolongs nothing.
  std::chrono::nanoseconds left(const Digest& login, Time now);
  void clear() { logins_.clear(); }
  std::size_t size() const noexcept { return logins_.size(); }

 private:
  RecentTable logins_;
};

/// Failed logins by source and by user.  A failure makes the answer slow; a source that reaches `limit`
/// failures is refused until `pause` has gone by since its last one (limit 0: never).
class FailureTable {
 public:
  using Time = RecentTable::Time;
  static constexpr std::size_t capacity = 65'536;
  static constexpr std::chrono::milliseconds firstDelay{500};
  static constexpr std::chrono::milliseconds longestDelay{8'000};

  FailureTable(unsigned limit, std::chrono::seconds pause)
      : limit_(limit), pause_(pause), sources_(capacity), users_(capacity) {}

  struct Outcome {
    std::chrono::milliseconds delay;  ///< how long the answer is held back
    bool refusedFromNow = false;      ///< with this failure the source has reached the limit
  };
  Outcome note(const Digest& source, const Digest& user, Time now);
  bool refuses(const Digest& source, Time now);
  std::size_t size() const noexcept { return sources_.size() + users_.size(); }

 private:
  unsigned countUp(RecentTable& table, const Digest& key, Time now) const;

  unsigned limit_;
  std::chrono::seconds pause_;
  RecentTable sources_;
  RecentTable users_;
};

}  // namespace crossgate
