// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/command_line.h"

#include <unistd.h>

#include <boost/program_options.hpp>
#include <filesystem>
#include <ostream>

namespace crossgate {
namespace {

namespace po = boost::program_options;

constexpr const char* systemFile = SYSCONFDIR "/crossgate.conf";

po::options_description ownOptions() {
  po::options_description description("Options");
  for (const CommandOption& option : commandOptions()) {
    if (option.argument.empty())
      description.add_options()(option.name.c_str(), option.help.c_str());
    else
      description.add_options()(option.name.c_str(),
                                po::value<std::string>()->value_name(option.argument), option.help.c_str());
  }
  return description;
}

po::options_description configOptions() {
  po::options_description description("Configuration (each key of the file; these win over it)");
  for (const Option& option : optionTable()) {
    std::string help = option.help;
    for (const std::string& value : option.defaults) help += " [" + value + "]";
    auto* value = po::value<std::vector<std::string>>()->value_name(option.argument);
    description.add_options()(option.name.c_str(), value, help.c_str());
  }
  return description;
}

}  // namespace

const std::vector<CommandOption>& commandOptions() {
  static const std::vector<CommandOption> table = {
      {"config,f", "FILE", "the configuration file"},
      {"foreground", "", "stay on the terminal"},
      {"check", "", "read the configuration, say what is wrong with it, and exit"},
      {"dump-config", "", "print the configuration in force, and exit"},
      {"help,h", "", "print this, and exit"},
      {"version", "", "print the version, and exit"},
  };
  return table;
}

std::string CommandLine::configFile() const {
  if (!file.empty()) return file;
  return access(systemFile, F_OK) == 0 ? systemFile : "";
}

Result<CommandLine> parseCommandLine(int argc, char** argv) {
  po::options_description all;
  all.add(ownOptions()).add(configOptions());
  CommandLine line;
  try {
    const auto style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    const auto parsed = po::command_line_parser(argc, argv).options(all).style(style).positional({}).run();
    for (const auto& option : parsed.options) {
      const std::string& key = option.string_key;
      if (key == "config")
        line.file = std::filesystem::absolute(option.value.at(0)).string();
      else if (key == "foreground")
        line.foreground = true;
      else if (key == "check")
        line.action = CommandLine::Action::check;
      else if (key == "dump-config")
        line.action = CommandLine::Action::dump;
      else if (key == "help")
        line.action = CommandLine::Action::help;
      else if (key == "version")
        line.action = CommandLine::Action::version;
      else
        line.overrides.emplace_back(key, option.value.at(0));
    }
  } catch (const po::error& error) {
    return Error{Failure::invalid, std::string("command line: ") + error.what()};
  }
  return line;
}

void printHelp(std::ostream& out) {
  out << "Usage: crossgate [-f FILE] [--foreground] [--SECTION.KEY=VALUE ...]\n"
         "       crossgate [-f FILE] explain --to HOST:PORT [--from ADDRESS] [--user NAME] ...\n"
         "       crossgate [-f FILE] doctor [NAME]\n"
         "       crossgate passwd [-D] FILE USER\n"
         "The Gateway: relays clients that speak SOCKS to destinations of either family (RFC 3089).\n\n"
      << ownOptions() << '\n'
      << configOptions();
}

}  // namespace crossgate
