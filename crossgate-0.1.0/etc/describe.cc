// SPDX-License-Identifier: BSD-2-Clause
// describe: the option tables as text, for what is made of them while building.  Not installed.
//
//     describe manual command|gateway|socksify      paragraphs for a manual page, man(7)
//     describe sample gateway|socksify [KEY=VALUE ...]
//                                                   a configuration file that explains every option;
//                                                   all are comments but those given here
//     describe words command|gateway|socksify       a line "--name ARGUMENT" each, for completion
//
// The manual pages, the sample files and the completion take their options from here and nowhere else, so
// that they say what the programs do.  Exits with 1 when an argument makes no sense.
#include <algorithm>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "gateway/command_line.h"
#include "gateway/config.h"
#include "socksify/config.h"

namespace {

constexpr std::size_t textWidth = 78;

struct Row {
  std::string section;  ///< empty: in none
  std::string key;
  std::string argument;
  std::vector<std::string> defaults;
  bool repeats = false;
  std::string help;
};
using Rows = std::vector<Row>;

// --help has phrases; a page has sentences.
std::string sentence(std::string phrase) {
  if (!phrase.empty() && phrase[0] >= 'a' && phrase[0] <= 'z') phrase[0] = static_cast<char>(phrase[0] - 'a' + 'A');
  return phrase + '.';
}

Rows commandRows() {
  Rows rows;
  for (const auto& option : crossgate::commandOptions())
    rows.push_back({"", option.name, option.argument, {}, false, sentence(option.help)});
  return rows;
}

Rows gatewayRows() {
  Rows rows;
  for (const crossgate::Option& option : crossgate::optionTable()) {
    const std::size_t dot = option.name.find('.');
    const bool inSection = dot != option.name.npos;
    rows.push_back({inSection ? option.name.substr(0, dot) : "",
                    inSection ? option.name.substr(dot + 1) : option.name, option.argument, option.defaults,
                    option.repeats, option.help});
  }
  // A section is told in one piece, wherever its rows stand.
  std::map<std::string, std::size_t> place;
  for (const Row& row : rows) place.emplace(row.section, row.section.empty() ? 0 : place.size() + 1);
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const Row& a, const Row& b) { return place[a.section] < place[b.section]; });
  return rows;
}

Rows socksifyRows() {
  Rows rows;
  for (const auto& option : crossgate::socksify::configOptions()) {
    Row row{"", option.name, "", {}, false, option.help};
    if (*option.initial != '\0') row.defaults = {option.initial};
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string indefinite(const Row& row) { return row.argument.empty() ? "VALUE" : row.argument; }

// ---- man(7) --------------------------------------------------------------------------------------

std::string escaped(const std::string& text, bool literal) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (literal && c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

std::string bold(const std::string& text) { return "\\fB" + escaped(text, true) + "\\fR"; }

// Words in capitals stand for something else; the others are written as they are.
std::string argumentText(const std::string& argument) {
  std::string out;
  bool italic = false;
  for (std::size_t i = 0; i < argument.size(); ++i) {
    const bool capital = argument[i] >= 'A' && argument[i] <= 'Z';
    if (capital != italic) out += (italic = capital) ? "\\fI" : "\\fR";
    out += escaped(argument.substr(i, 1), true);
  }
  return italic ? out + "\\fR" : out;
}

// `this` becomes bold; each sentence begins a line, and no line is long or looks like a request.
std::string paragraph(const std::string& help) {
  std::string marked;
  bool literal = false;
  for (const char c : help) {
    if (c == '`')
      marked += (literal = !literal) ? "\\fB" : "\\fR";
    else
      marked += escaped(std::string(1, c), literal);
  }
  std::string out, line;
  const auto flush = [&] {
    if (line.starts_with('.') || line.starts_with('\'')) line.insert(0, "\\&");
    if (!line.empty()) out += line + '\n';
    line.clear();
  };
  std::istringstream words(marked);
  for (std::string word; words >> word;) {
    if (!line.empty() && line.size() + 1 + word.size() > textWidth) flush();
    line += (line.empty() ? "" : " ") + word;
    if (word.ends_with('.')) flush();
  }
  flush();
  return out;
}

std::string defaultText(const Row& row) {
  if (row.defaults.empty()) return "";
  std::string out = ".br\nDefault: ";
  for (const std::string& value : row.defaults) out += (&value == &row.defaults.front() ? "" : ", ") + bold(value);
  return out + ".\n";
}

void printManual(const Rows& rows, bool command) {
  std::string section;
  for (const Row& row : rows) {
    if (row.section != section) {
      section = row.section;
      std::cout << ".SS [" << section << "]\n";
    }
    std::cout << ".TP\n";
    if (command) {
      const std::size_t comma = row.key.find(',');
      std::cout << bold("--" + row.key.substr(0, comma));
      if (comma != row.key.npos) std::cout << ", " << bold("-" + row.key.substr(comma + 1));
      if (!row.argument.empty()) std::cout << ' ' << argumentText(row.argument);
    } else {
      std::cout << bold(row.key) << " = " << argumentText(indefinite(row));
    }
    std::cout << '\n' << paragraph(row.help);
    if (row.repeats) std::cout << "May be given more than once.\n";
    std::cout << defaultText(row);
  }
}

// ---- a sample file -------------------------------------------------------------------------------

void printComment(const std::string& text) {
  std::string line = "#";
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (line.size() + 1 + word.size() > textWidth) {
      std::cout << line << '\n';
      line = "#";
    }
    line += ' ' + word;
  }
  std::cout << line << '\n';
}

/// False when `given` names a key that there is not.
bool printSample(const Rows& rows, std::map<std::string, std::string> given) {
  std::string section;
  for (const Row& row : rows) {
    if (row.section != section) {
      section = row.section;
      std::cout << "\n[" << section << "]\n";
    }
    std::cout << '\n';
    printComment(row.help + (row.repeats ? " May be given more than once." : ""));
    for (const std::string& value : row.defaults) std::cout << '#' << row.key << " = " << value << '\n';
    if (row.defaults.empty()) std::cout << "# " << row.key << " = " << indefinite(row) << '\n';
    const auto active = given.find((section.empty() ? "" : section + ".") + row.key);
    if (active == given.end()) continue;
    std::cout << row.key << " = " << active->second << '\n';
    given.erase(active);
  }
  for (const auto& [key, value] : given) std::cerr << "describe: there is no key " << key << '\n';
  return given.empty();
}

void printWords(const Rows& rows) {
  for (const Row& row : rows) {
    std::cout << "--" << (row.section.empty() ? "" : row.section + ".") << row.key.substr(0, row.key.find(','));
    std::cout << (row.argument.empty() ? "" : " " + row.argument.substr(0, row.argument.find(' '))) << '\n';
  }
}

int describe(const std::vector<std::string>& arguments) {
  if (arguments.size() < 2) return 1;
  const std::string& what = arguments[1];
  const bool command = what == "command";
  if (!command && what != "gateway" && what != "socksify") return 1;
  const Rows rows = command ? commandRows() : what == "gateway" ? gatewayRows() : socksifyRows();
  std::map<std::string, std::string> given;
  std::for_each(arguments.begin() + 2, arguments.end(), [&](const std::string& pair) {
    const std::size_t equals = std::min(pair.find('='), pair.size());
    given[pair.substr(0, equals)] = pair.substr(std::min(equals + 1, pair.size()));
  });
  if (arguments[0] == "sample") return printSample(rows, std::move(given)) ? 0 : 1;
  if (arguments[0] == "manual")
    printManual(rows, command);
  else if (arguments[0] == "words")
    printWords(rows);
  else
    return 1;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const int status = describe({argv + std::min(argc, 1), argv + argc});
  if (status != 0) std::cerr << "describe: see the opening of etc/describe.cc\n";
  return std::cout.flush() ? status : 1;
}
