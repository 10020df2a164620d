// SPDX-License-Identifier: BSD-2-Clause
#include "t/bench/report.h"

#include <cstdio>

namespace crossgate::bench {

void Report::add(const char* key, double value, const char* meaning) {
  figures_.push_back({key, value, meaning});
}

void Report::fail(const std::string& why) { failures_.push_back(why); }

void Report::print(bool json) const {
  if (json) {
    std::printf("{\"mode\": \"%s\"", mode_.c_str());
    for (const Figure& figure : figures_) std::printf(", \"%s\": %.10g", figure.key.c_str(), figure.value);
    std::printf(", \"failed\": %s}\n", failed() ? "true" : "false");
  } else {
    std::printf("%s\n", mode_.c_str());
    for (const Figure& figure : figures_) {
      std::printf("  %-26s %14.3f  %s\n", figure.key.c_str(), figure.value, figure.meaning.c_str());
    }
  }
  std::fflush(stdout);
  for (const std::string& why : failures_)
    std::fprintf(stderr, "load: %s: FAILED: %s\n", mode_.c_str(), why.c_str());
}

}  // namespace crossgate::bench
