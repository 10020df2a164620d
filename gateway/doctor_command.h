// SPDX-License-Identifier: BSD-2-Clause
// `crossgate [-f FILE] doctor [NAME]`: what would keep this configuration from serving on this host, a line
// per finding.  It changes nothing, and a gateway that runs goes on meanwhile.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "gateway/config.h"

namespace crossgate {

/// Examines the configuration that `file` and `overrides` make.  `arguments`: at most the name that the name
/// servers are asked for.  Returns the exit code: 0 when nothing is wrong, 1 when something is, 2 for
/// arguments that make no sense.
int runDoctorCommand(const std::string& file, const Overrides& overrides,
                     const std::vector<std::string>& arguments, std::ostream& out);

}  // namespace crossgate
