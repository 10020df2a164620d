// SPDX-License-Identifier: BSD-2-Clause
// `crossgate passwd [-D] FILE USER`: makes, changes or deletes a user of a password file.
//
// The password comes from the terminal, asked for twice and not shown, or from the first line of
// standard input.  The file is replaced as a whole (written beside it, then renamed), so that a reader
// never sees half of it; its lines and comments keep their order, its owner and group stay, its mode
// is 0640.  Two commands at once wait for each other.
#pragma once

#include <string>
#include <vector>

namespace crossgate {

/// `arguments` are those behind the word `passwd`; returns the exit code: 0, 1 for a failure, 2 for a
/// command line that makes no sense.
int runPasswdCommand(const std::vector<std::string>& arguments);

}  // namespace crossgate
