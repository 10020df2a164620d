// SPDX-License-Identifier: BSD-2-Clause
// Word: a value of an option that is chosen by name, and the reading of such an option.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "lib/result.h"

namespace crossgate {

template <class T>
struct Word {
  std::string_view text;
  T value;
};

/// Sets `member` to what the word stands for.  Failure::invalid tells the words there are, and leaves
/// `member` as it is.
template <class T, std::size_t N>
Result<void> readWord(std::string_view text, T& member, const Word<T> (&words)[N]) {
  std::string all;
  for (const auto& word : words) {
    if (text == word.text) {
      member = word.value;
      return {};
    }
    all += (all.empty() ? "" : ", ") + std::string(word.text);
  }
  return Error{Failure::invalid, "'" + std::string(text) + "' is none of " + all};
}

}  // namespace crossgate
