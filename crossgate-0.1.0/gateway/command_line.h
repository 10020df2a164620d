// SPDX-License-Identifier: BSD-2-Clause
// The command line of crossgate(8), over Boost.Program_options and the table of config.h.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "gateway/config.h"

namespace crossgate {

struct CommandLine {
  enum class Action : std::uint8_t { serve, check, dump, help, version } action = Action::serve;
  bool foreground = false;
  std::string file;  ///< absolute; empty: none was named
  Overrides overrides;

  /// The file to read: the one named, else the system's where it exists, else none.
  std::string configFile() const;
};

/// An option that is no key of the file; it feeds the parser, --help and the manual page.
struct CommandOption {
  std::string name;      ///< "help,h": with its letter, where it has one
  std::string argument;  ///< empty: it takes none
  std::string help;
};
const std::vector<CommandOption>& commandOptions();

Result<CommandLine> parseCommandLine(int argc, char** argv);
void printHelp(std::ostream& out);

}  // namespace crossgate
