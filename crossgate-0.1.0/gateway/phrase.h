// SPDX-License-Identifier: BSD-2-Clause
// Phrase: the grammar that rules, methods and routes of the configuration share: some words, then
// `key value` pairs in any order; a key that repeats or is unknown is an error.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/result.h"

namespace crossgate {

class Phrase {
 public:
  /// Splits `text` at white space.  What comes before the first of `keys` are the leading words; from
  /// there on keys and values alternate.  A key of `flags` stands alone, without a value.
  static Result<Phrase> parse(std::string_view text, std::initializer_list<std::string_view> keys,
                              std::initializer_list<std::string_view> flags = {});

  const std::vector<std::string>& leading() const noexcept { return leading_; }
  bool has(std::string_view key) const { return pairs_.find(key) != pairs_.end(); }
  /// The value of a key; empty when it was not given.
  std::string value(std::string_view key) const;

 private:
  std::vector<std::string> leading_;
  std::map<std::string, std::string, std::less<>> pairs_;
};

std::vector<std::string> splitWords(std::string_view text);
std::vector<std::string> splitList(std::string_view text, char separator);

}  // namespace crossgate
