// SPDX-License-Identifier: BSD-2-Clause
// Findings: what the doctor says, a line each, and whether anything was wrong.
#pragma once

#include <ostream>
#include <string>

namespace crossgate {

class Findings {
 public:
  explicit Findings(std::ostream& out) : out_(out) {}

  void ok(const std::string& what) { out_ << "ok    " << what << '\n'; }
  void note(const std::string& what) { out_ << "note  " << what << '\n'; }
  void wrong(const std::string& what) {
    out_ << "WRONG " << what << '\n';
    healthy_ = false;
  }
  bool healthy() const noexcept { return healthy_; }

 private:
  std::ostream& out_;
  bool healthy_ = true;
};

}  // namespace crossgate
