// SPDX-License-Identifier: BSD-2-Clause
// PasswordFile: lines of `user:hash`, the hash as crypt(3) writes it (yescrypt, SHA-512, bcrypt, ...).
// Empty lines and lines that begin with '#' are comments.  What follows a second ':' is ignored, so
// that files of other servers can be used.
//
// A wrong user name costs the same as a wrong password: a name that is not there is checked against
// the salt of an entry that is, always the same one for the same name.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lib/result.h"

namespace crossgate {

/// Tells one state of a file from the next.
struct FileStamp {
  static FileStamp of(const std::string& path) noexcept;
  bool operator==(const FileStamp&) const = default;

  dev_t device = 0;
  ino_t inode = 0;
  off_t size = -1;  // -1: there is none
  std::int64_t changedNs = 0;
};

class PasswordFile {
 public:
  /// The Error says why the file can't be read.
  static Result<PasswordFile> load(const std::string& path);
  static PasswordFile parse(std::string_view text, const std::string& name);

  /// True when `user` has an entry and `password` is its.
  bool verify(const std::string& user, const std::string& password) const;
  bool contains(const std::string& user) const { return hashes_.contains(user); }
  std::size_t size() const noexcept { return hashes_.size(); }
  /// "file:line: what is wrong", for each line that is not used.
  const std::vector<std::string>& mistakes() const noexcept { return mistakes_; }

 private:
  const std::string& settingFor(const std::string& user) const;

  std::unordered_map<std::string, std::string> hashes_;
  std::vector<std::string> settings_;  // one per entry, for names that are not there
  std::vector<std::string> mistakes_;
};

/// A hash of `password` in libxcrypt's preferred method (yescrypt).
Result<std::string> hashPassword(const std::string& password);
/// True when `password` gives `hash`.  Always does the work of hashing, but for a hash that is locked.
bool passwordMatches(const std::string& password, const std::string& hash);
/// What keeps a text from being a user name or a password of the file; empty: nothing.
std::string whyNotUser(const std::string& user);
std::string whyNotPassword(const std::string& password);

}  // namespace crossgate
