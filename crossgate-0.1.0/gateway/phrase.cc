// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/phrase.h"

#include <algorithm>

namespace crossgate {

std::vector<std::string> splitWords(std::string_view text) {
  std::vector<std::string> words;
  constexpr std::string_view space = " \t";
  for (std::size_t start = text.find_first_not_of(space); start != text.npos;) {
    const std::size_t end = std::min(text.find_first_of(space, start), text.size());
    words.emplace_back(text.substr(start, end - start));
    start = text.find_first_not_of(space, end);
  }
  return words;
}

std::vector<std::string> splitList(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(separator, start), text.size());
    parts.emplace_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

Result<Phrase> Phrase::parse(std::string_view text, std::initializer_list<std::string_view> keys,
                             std::initializer_list<std::string_view> flags) {
  const auto isOneOf = [](const std::string& word, std::initializer_list<std::string_view> list) {
    return std::find(list.begin(), list.end(), word) != list.end();
  };
  const auto wrong = [](std::string detail) { return Error{Failure::invalid, std::move(detail)}; };

  Phrase phrase;
  const std::vector<std::string> words = splitWords(text);
  auto word = words.begin();
  while (word != words.end() && !isOneOf(*word, keys) && !isOneOf(*word, flags))
    phrase.leading_.push_back(*word++);
  while (word != words.end()) {
    const std::string& key = *word++;
    const bool isFlag = isOneOf(key, flags);
    if (!isFlag && !isOneOf(key, keys)) return wrong("unknown word '" + key + "'");
    if (!isFlag && word == words.end()) return wrong("'" + key + "' has no value");
    if (!phrase.pairs_.emplace(key, isFlag ? std::string() : *word++).second) {
      return wrong("'" + key + "' is given twice");
    }
  }
  return phrase;
}

std::string Phrase::value(std::string_view key) const {
  const auto found = pairs_.find(key);
  return found == pairs_.end() ? std::string() : found->second;
}

}  // namespace crossgate
