// SPDX-License-Identifier: BSD-2-Clause
// Samples: durations in microseconds, and their percentiles.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace crossgate::bench {

class Samples {
 public:
  void add(double seconds) { micros_.push_back(static_cast<float>(seconds * 1e6)); }
  void clear() noexcept { micros_.clear(); }
  std::size_t count() const noexcept { return micros_.size(); }
  /// The value below which `share` (0 to 1) of all samples lie; 0 without samples.
  double percentile(double share) const {
    if (micros_.empty()) return 0;
    std::vector<float> copy = micros_;
    const auto rank = static_cast<std::size_t>(share * static_cast<double>(copy.size() - 1) + 0.5);
    std::nth_element(copy.begin(), copy.begin() + static_cast<std::ptrdiff_t>(rank), copy.end());
    return static_cast<double>(copy[rank]);
  }

 private:
  std::vector<float> micros_;
};

}  // namespace crossgate::bench
