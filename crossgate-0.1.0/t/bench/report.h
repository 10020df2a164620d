// SPDX-License-Identifier: BSD-2-Clause
// Report: the figures of one run, as text for people and as one line of JSON for the driver.
#pragma once

#include <string>
#include <vector>

namespace crossgate::bench {

class Report {
 public:
  explicit Report(std::string mode) : mode_(std::move(mode)) {}

  /// `key` carries its unit ("handshake_p50_us"); `meaning` is for people.
  void add(const char* key, double value, const char* meaning);
  /// The run gave a wrong result; the program will end with status 1.
  void fail(const std::string& why);
  bool failed() const noexcept { return !failures_.empty(); }
  void print(bool json) const;

 private:
  struct Figure {
    std::string key;
    double value;
    std::string meaning;
  };
  std::string mode_;
  std::vector<Figure> figures_;
  std::vector<std::string> failures_;
};

}  // namespace crossgate::bench
