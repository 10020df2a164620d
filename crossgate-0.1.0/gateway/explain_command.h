// SPDX-License-Identifier: BSD-2-Clause
// `crossgate [-f FILE] explain --from ADDRESS --to HOST:PORT [...]`: what the configuration would decide
// about a request, and by which line of which file.  A dry run of the same rules that workers use.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "gateway/config.h"

namespace crossgate {

/// Prints methods, rule and source address for the request that `arguments` describe.  Returns the exit
/// code: 0 when it would be permitted, 1 when not, 2 for arguments that make no sense.
int runExplainCommand(const Config& config, const std::vector<std::string>& arguments, std::ostream& out);

}  // namespace crossgate
