// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/doctor_command.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <iostream>
#include <map>

#include "gateway/doctor_findings.h"
#include "gateway/doctor_network.h"
#include "gateway/pid_file.h"
#include "gateway/process.h"
#include "gateway/secrets.h"
#include "gateway/system_user.h"

namespace crossgate {
namespace {

// No name server has it (RFC 6761, section 6.4); that it says so is all that is asked.
constexpr const char* nobodysName = "crossgate.invalid";
constexpr std::time_t day = 24 * 60 * 60;
constexpr std::time_t soon = 14 * day;

std::optional<pid_t> examineMaster(const Config& config, Findings& findings) {
  if (config.pidFile.empty()) return std::nullopt;
  const auto running = PidFile::holder(config.pidFile);
  findings.note(running ? "crossgate runs, as process " + std::to_string(*running)
                        : "no crossgate holds " + config.pidFile);
  return running;
}

// ---- limits -----------------------------------------------------------------------------------------

void examineDescriptors(const WorkersConfig& workers, Findings& findings) {
  const std::size_t wanted = workers.descriptors();
  const std::size_t granted = raiseDescriptorLimit(wanted);
  const std::string wants = std::to_string(wanted) + " descriptors that workers.relays = " +
                            std::to_string(workers.relays) + " and workers.max = " + std::to_string(workers.max) + " want";
  if (granted >= wanted) return findings.ok("limits: the " + wants + " are granted");
  findings.wrong("limits: " + std::to_string(granted) + " are granted of the " + wants);
}

void examineProcesses(const WorkersConfig& workers, Findings& findings) {
  const std::string wants = "workers.max = " + std::to_string(workers.max);
  rlimit limit{};
  // root may have any number of processes
  if (geteuid() != 0 && getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur <= workers.max) {
    return findings.wrong("limits: this user may have " + std::to_string(limit.rlim_cur) +
                          " processes, too few for " + wants);
  }
  unsigned most = 0;
  if (std::ifstream("/proc/sys/kernel/pid_max") >> most && most <= workers.max) {
    return findings.wrong("limits: kernel.pid_max is " + std::to_string(most) + ", too few for " + wants);
  }
  findings.ok("limits: processes suffice for " + wants);
}

// ---- files ------------------------------------------------------------------------------------------

// The files that hold secrets, and what they are.
std::map<std::string, std::string> secretFiles(const Config& config, const std::string& file) {
  std::map<std::string, std::string> files;
  const auto add = [&](std::string path, const char* what) {
    if (path.starts_with("FILE:")) path.erase(0, 5);
    if (!path.empty()) files.emplace(std::move(path), what);
  };
  add(config.auth.passwordFile, "auth.password-file");
  add(config.tls.key.empty() ? config.tls.certificate : config.tls.key, "the key of [tls]");
  const TlsClientConfig& client = config.route.tls;
  add(client.key.empty() ? client.certificate : client.key, "the key of [route]");
  if (config.auth.offers(socks5::Method::gssapi)) add(config.gss.keytab, "gssapi.keytab");
  for (const Hop& hop : config.routes.hops()) {
    add(hop.secretFile, "the password of a hop");
    if (hop.credentials) add(file, "the configuration, with a hop's password in it");
  }
  return files;
}

void examineRights(const std::string& path, const std::string& what, Findings& findings) {
  const std::string subject = "rights: " + path + " (" + what + ")";
  struct stat status {};
  if (stat(path.c_str(), &status) != 0 || access(path.c_str(), R_OK) != 0) {
    return findings.wrong(subject + ": " + systemError("cannot be read", errno).detail);
  }
  if ((status.st_mode & S_IROTH) != 0) return findings.wrong(subject + ": everybody may read it");
  findings.ok(subject + " is kept from others");
}

std::string dateOf(std::time_t time) {
  char text[32];
  std::tm parts{};
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&time, &parts))};
}

void examineCertificate(const std::string& file, const Validity& validity, Findings& findings) {
  const std::string subject = "certificate: " + file;
  const std::time_t now = std::time(nullptr);
  if (now < validity.from) return findings.wrong(subject + " is not valid before " + dateOf(validity.from));
  if (now > validity.until) return findings.wrong(subject + " has expired at " + dateOf(validity.until));
  if (validity.until - now < soon) return findings.note(subject + " expires at " + dateOf(validity.until));
  findings.ok(subject + " is valid until " + dateOf(validity.until));
}

void examineSecrets(const Config& config, Findings& findings) {
  const auto secrets = loadSecrets(config, std::make_shared<TicketKeys>());
  if (!secrets) return findings.wrong("secrets: " + secrets.error().detail);
  if ((*secrets)->tls) examineCertificate(config.tls.certificate, (*secrets)->tls->validity(), findings);
}

void examineUser(const std::string& user, Findings& findings) {
  if (user.empty()) return;
  if (const auto found = findSystemUser(user); !found) return findings.wrong("user: " + found.error().detail);
  findings.ok("user: there is a user " + user);
}

void reportMistakes(const std::string& detail, Findings& findings) {
  for (std::size_t from = 0; from < detail.size();) {
    const std::size_t end = std::min(detail.find('\n', from), detail.size());
    if (end > from) findings.wrong("configuration: " + detail.substr(from, end - from));
    from = end + 1;
  }
}

}  // namespace

int runDoctorCommand(const std::string& file, const Overrides& overrides,
                     const std::vector<std::string>& arguments, std::ostream& out) {
  if (arguments.size() > 1 || (!arguments.empty() && arguments.front().starts_with('-'))) {
    std::cerr << "Usage: crossgate [-f FILE] doctor [NAME]\n";
    return 2;
  }
  Findings findings(out);
  const auto loaded = loadConfig(file, overrides);
  if (!loaded) {
    reportMistakes(loaded.error().detail, findings);
    return 1;
  }
  const Config& config = loaded->config;
  findings.ok("configuration: " + (file.empty() ? "the defaults" : file));
  examineUser(config.user, findings);
  examineListeners(config, examineMaster(config, findings), findings);
  examineAddresses(config, findings);
  examineDescriptors(config.workers, findings);
  examineProcesses(config.workers, findings);
  for (const auto& [path, what] : secretFiles(config, file)) examineRights(path, what, findings);
  examineSecrets(config, findings);
  examinePeers(config, arguments.empty() ? nobodysName : arguments.front(), findings);
  return findings.healthy() ? 0 : 1;
}

}  // namespace crossgate
