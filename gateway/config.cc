// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/config.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <fstream>
#include <ostream>
#include <sstream>

namespace crossgate {
namespace {

namespace po = boost::program_options;

Error invalid(std::string detail) { return {Failure::invalid, std::move(detail)}; }

// A group that the configuration does not list is one of the system: its members now.
Result<std::set<std::string>> membersOf(const Config& config, const std::string& name) {
  if (const auto listed = config.groups.find(name); listed != config.groups.end()) return listed->second;
  const group* entry = getgrnam(name.c_str());
  if (entry == nullptr)
    return invalid("there is no group '" + name + "', neither in access.group nor of the system");
  const gid_t gid = entry->gr_gid;
  std::set<std::string> members;
  for (char** member = entry->gr_mem; *member != nullptr; ++member) members.insert(*member);
  // Those whose first group it is are not in its list.
  setpwent();
  while (const passwd* user = getpwent()) {
    if (user->pw_gid == gid) members.insert(user->pw_name);
  }
  endpwent();
  return members;
}

Result<void> resolveGroups(Config& config) {
  for (AccessRule& rule : config.rules) {
    for (const std::string& name : rule.groups) {
      const auto members = membersOf(config, name);
      if (!members) return invalid(rule.place + ": access.rule: " + members.error().detail);
      rule.members.insert(members->begin(), members->end());
    }
  }
  return {};
}

po::options_description describe() {
  po::options_description description;
  for (const Option& option : optionTable()) {
    description.add_options()(option.name.c_str(), po::value<std::vector<std::string>>());
  }
  return description;
}

// "[name]", which nothing but a comment follows.
bool isSection(std::string_view line) {
  const std::size_t end = line.find(']');
  if (end == line.npos) return false;
  const std::size_t next = line.find_first_not_of(" \t\r", end + 1);
  return next == line.npos || line[next] == '#';
}

// Boost.Program_options does not tell the line of an option, so it is given the file a line at a time,
// each under its section.
class FileReader {
 public:
  FileReader(std::string file, EffectiveValues& values) : file_(std::move(file)), values_(values) {}

  Result<void> read() {
    std::ifstream in(file_);
    if (!in) return systemError(file_.c_str(), errno);
    std::string line;
    for (unsigned number = 1; std::getline(in, line); ++number) readLine(line, number);
    if (!mistakes_.empty()) return invalid(mistakes_);
    return {};
  }

 private:
  void readLine(const std::string& line, unsigned number) {
    const std::string place = file_ + ":" + std::to_string(number);
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first != line.npos && line[first] == '[' && isSection(line)) {
      section_ = line.substr(first);
      return;
    }
    std::istringstream piece(section_ + "\n" + line + "\n");
    try {
      const auto parsed = po::parse_config_file(piece, description_);
      for (const auto& option : parsed.options) {
        for (const std::string& value : option.value) values_[option.string_key].push_back({value, place});
      }
    } catch (const po::unknown_option& error) {
      mistake(place + ": unknown key '" + error.get_option_name() + "'");
    } catch (const po::error&) {
      mistake(place + ": not a [section], not key = value: " +
              maskSecrets(line.substr(first == line.npos ? 0 : first)));
    }
  }

  void mistake(const std::string& text) { mistakes_ += (mistakes_.empty() ? "" : "\n") + text; }

  std::string file_;
  EffectiveValues& values_;
  po::options_description description_ = describe();
  std::string section_;
  std::string mistakes_;
};

Result<void> checkListeners(const std::vector<ListenerConfig>& listeners) {
  for (auto later = listeners.begin(); later != listeners.end(); ++later) {
    const bool given = std::any_of(listeners.begin(), later, [&](const ListenerConfig& earlier) {
      return earlier.endpoint == later->endpoint && earlier.interface == later->interface &&
             later->endpoint.port != 0;
    });
    const std::string where = later->interface.empty()
                                  ? later->endpoint.toString()
                                  : later->interface + ":" + std::to_string(later->endpoint.port);
    if (given) return invalid("two listeners on " + where);
  }
  return {};
}

Result<void> checkTls(const Config& config) {
  const bool tlsListener = std::any_of(config.listeners.begin(), config.listeners.end(),
                                       [](const ListenerConfig& listener) { return listener.tls; });
  if (config.tls.certificate.empty()) {
    if (tlsListener) return invalid("listen.tls needs tls.certificate");
    if (config.tls.detect) return invalid("tls.detect needs tls.certificate");
  }
  if (config.tls.clientCa.empty()) {
    if (config.tls.clientCertificateRequired) return invalid("tls.client-certificate needs tls.client-ca");
    if (config.tls.user != CertificateUser::no) return invalid("tls.user needs tls.client-ca");
  }
  return {};
}

// Says the numbers, because one of them may be a default.
Result<void> checkWorkers(const WorkersConfig& workers) {
  const auto check = [](const char* name, unsigned value, const char* boundName, unsigned bound) -> Result<void> {
    if (value <= bound) return {};
    return invalid(std::string(name) + " (" + std::to_string(value) + ") is larger than " + boundName + " (" +
                   std::to_string(bound) + ")");
  };
  if (auto checked = check("workers.spare-min", workers.spareMin, "workers.spare-max", workers.spareMax); !checked)
    return checked;
  return check("workers.start", workers.start, "workers.max", workers.max);
}

// Checks that span several options.
Result<void> checkWhole(const Config& config) {
  if (auto checked = checkWorkers(config.workers); !checked) return checked;
  if (config.auth.offers(socks5::Method::userpass) && config.auth.passwordFile.empty() &&
      config.auth.pam.empty()) {
    return invalid("auth.method offers userpass, but there is neither auth.password-file nor auth.pam");
  }
  if (auto checked = checkListeners(config.listeners); !checked) return checked;
  return checkTls(config);
}

}  // namespace

// A relay has two sockets, and two pipes while octets are on their way; a worker has a few of its own.  The master
// has a socket of each worker, those of an older generation too, and the auth helper has one.
std::size_t WorkersConfig::descriptors() const noexcept {
  return std::max({std::size_t{relays} * 6 + 64, std::size_t{max} * 2 + 256, std::size_t{1024}});
}

bool AuthConfig::offers(socks5::Method method) const noexcept {
  return std::any_of(methods.begin(), methods.end(),
                     [&](const MethodRule& rule) { return rule.offers(method); });
}

Result<LoadedConfig> loadConfig(const std::string& file, const Overrides& overrides) {
  LoadedConfig loaded;
  if (!file.empty()) {
    if (auto read = FileReader(file, loaded.values).read(); !read) return read.error();
  }
  EffectiveValues fromCommandLine;
  for (const auto& [name, value] : overrides) fromCommandLine[name].push_back({value, "command line"});
  for (auto& [name, given] : fromCommandLine) loaded.values[name] = std::move(given);

  std::string mistakes;
  const auto mistake = [&](const std::string& text) { mistakes += (mistakes.empty() ? "" : "\n") + text; };
  for (const Option& option : optionTable()) {
    auto& given = loaded.values[option.name];
    if (given.empty()) {
      for (const std::string& value : option.defaults) given.push_back({value, "default"});
    }
    if (!option.repeats && given.size() > 1) {
      mistake(given[1].place + ": " + option.name + ": given again; first at " + given[0].place);
      continue;
    }
    for (const Given& one : given) {
      if (const auto assigned = option.assign(loaded.config, one); !assigned) {
        mistake(one.place + ": " + option.name + ": " + assigned.error().detail);
      }
    }
  }
  if (!mistakes.empty()) return invalid(mistakes);
  if (const auto checked = checkWhole(loaded.config); !checked) {
    return invalid((file.empty() ? "command line" : file) + ": " + checked.error().detail);
  }
  if (const auto resolved = resolveGroups(loaded.config); !resolved) return resolved.error();
  loaded.config.access = AccessRules(std::move(loaded.config.rules));
  return loaded;
}

void dumpConfig(std::ostream& out, const EffectiveValues& values) {
  std::string section;
  for (const Option& option : optionTable()) {
    const std::size_t dot = option.name.find('.');
    const std::string itsSection = dot == option.name.npos ? "" : option.name.substr(0, dot);
    if (itsSection != section) {
      section = itsSection;
      out << "\n[" << section << "]\n";
    }
    const std::string key = dot == option.name.npos ? option.name : option.name.substr(dot + 1);
    const auto found = values.find(option.name);
    if (found == values.end() || found->second.empty())
      out << "# " << key << " =\n";
    else
      for (const Given& given : found->second)
        out << key << " = " << (option.shown ? option.shown(given.value) : given.value) << '\n';
  }
}

}  // namespace crossgate
