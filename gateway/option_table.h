// SPDX-License-Identifier: BSD-2-Clause
// The table of options: what each is called, how it is given, and where in the Config it goes.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/result.h"

namespace crossgate {

struct Config;

/// A value as it was given, and where.
struct Given {
  std::string value;
  std::string place;  ///< "crossgate.conf:12" or "command line"
};

/// One row of the table.
struct Option {
  std::string name;                   ///< "workers.start"; "user" for one outside a section
  std::string argument;               ///< what --help and the manual show for the value
  std::vector<std::string> defaults;  ///< none: the option is off
  bool repeats = false;
  std::string help;
  std::function<Result<void>(Config&, const Given&)> assign;
  /// How the value is shown, where it holds a secret.
  std::function<std::string(std::string_view)> shown = {};
};
const std::vector<Option>& optionTable();

}  // namespace crossgate
