// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/password_file.h"

#include <crypt.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>

namespace crossgate {
namespace {

constexpr std::size_t longest = 255;  // RFC 1929

// crypt_data is 32 KiB and holds traces of the password.
struct WipedCryptData {
  ~WipedCryptData() { OPENSSL_cleanse(&data, sizeof data); }
  crypt_data data{};
};

std::string cryptWith(const std::string& password, const std::string& setting) {
  const auto room = std::make_unique<WipedCryptData>();
  const char* hash = crypt_rn(password.c_str(), setting.c_str(), &room->data, sizeof room->data);
  return hash == nullptr ? std::string() : std::string(hash);
}

// Without a '$' even a plain word would pass for a hash of the oldest method, DES.
bool isUsable(const std::string& hash) {
  if (!hash.starts_with('$')) return false;
  const int verdict = crypt_checksalt(hash.c_str());
  return verdict != CRYPT_SALT_INVALID && verdict != CRYPT_SALT_METHOD_DISABLED;
}

bool isLocked(const std::string& hash) { return hash.starts_with('!') || hash.starts_with('*'); }

// What a file without entries is checked against.
const std::string& preferredSetting() {
  static const std::string setting = [] {
    char room[CRYPT_GENSALT_OUTPUT_SIZE];
    const char* made = crypt_gensalt_rn(nullptr, 0, nullptr, 0, room, sizeof room);
    return made == nullptr ? std::string("$6$nobody") : std::string(made);
  }();
  return setting;
}

std::string whyNotText(const std::string& text, std::string_view forbidden) {
  if (text.empty()) return "is empty";
  if (text.size() > longest) return "is longer than 255 octets";
  if (text.find_first_of(forbidden) != text.npos) return "holds a character that it can't";
  return "";
}

}  // namespace

FileStamp FileStamp::of(const std::string& path) noexcept {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino, status.st_size,
          std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

Result<PasswordFile> PasswordFile::load(const std::string& path) {
  std::ifstream in(path);
  if (!in) return systemError(path.c_str(), errno);
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) return systemError(path.c_str(), EIO);
  return parse(text.str(), path);
}

PasswordFile PasswordFile::parse(std::string_view text, const std::string& name) {
  PasswordFile file;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (unsigned number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    const auto mistake = [&](const std::string& what) {
      file.mistakes_.push_back(name + ":" + std::to_string(number) + ": " + what);
    };
    const std::size_t colon = line.find(':');
    if (colon == line.npos || colon == 0 || colon > longest) {
      mistake("not user:hash");
      continue;
    }
    std::string user = line.substr(0, colon);
    std::string hash = line.substr(colon + 1, line.find(':', colon + 1) - colon - 1);
    if (!isLocked(hash) && !isUsable(hash)) {
      mistake("the hash of " + user + " is of no method that crypt(3) knows");
      continue;
    }
    if (!isLocked(hash)) file.settings_.push_back(hash);
    if (!file.hashes_.emplace(std::move(user), std::move(hash)).second) mistake("a second entry of one user");
  }
  return file;
}

const std::string& PasswordFile::settingFor(const std::string& user) const {
  if (settings_.empty()) return preferredSetting();
  return settings_[std::hash<std::string>{}(user) % settings_.size()];
}

bool PasswordFile::verify(const std::string& user, const std::string& password) const {
  const auto found = hashes_.find(user);
  const bool usable = found != hashes_.end() && !isLocked(found->second);
  const bool right = passwordMatches(password, usable ? found->second : settingFor(user));
  return usable && right;
}

bool passwordMatches(const std::string& password, const std::string& hash) {
  // crypt(3) stops at a NUL: such a password is wrong, whatever its beginning is worth.
  const bool whole = password.find('\0') == password.npos;
  const std::string made = cryptWith(password, hash);
  const bool same = made.size() == hash.size() && !made.empty() && made.front() != '*' &&
                    CRYPTO_memcmp(made.data(), hash.data(), hash.size()) == 0;
  return whole && same;
}

Result<std::string> hashPassword(const std::string& password) {
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  if (crypt_gensalt_rn(nullptr, 0, nullptr, 0, setting, sizeof setting) == nullptr) {
    return systemError("crypt_gensalt", errno);
  }
  std::string hash = cryptWith(password, setting);
  if (hash.empty() || hash.front() == '*') return systemError("crypt", errno);
  return hash;
}

std::string whyNotUser(const std::string& user) {
  using namespace std::string_view_literals;
  if (user.starts_with('#')) return "begins with '#', as a comment does";
  return whyNotText(user, ":\n\r\0"sv);
}

std::string whyNotPassword(const std::string& password) {
  using namespace std::string_view_literals;
  return whyNotText(password, "\n\0"sv);
}

}  // namespace crossgate
