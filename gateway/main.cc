// SPDX-License-Identifier: BSD-2-Clause
// crossgate(8): the command line, and start-up up to the master.
#include <config.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>

#include "gateway/auth_helper.h"
#include "gateway/command_line.h"
#include "gateway/config.h"
#include "gateway/doctor_command.h"
#include "gateway/explain_command.h"
#include "gateway/gss_client_helper.h"
#include "gateway/gss_helper.h"
#include "gateway/master.h"
#include "gateway/passwd_command.h"
#include "gateway/pid_file.h"
#include "gateway/process.h"
#include "gateway/sandbox.h"
#include "gateway/secrets.h"
#include "gateway/ticket_keys.h"
#include "gateway/worker.h"

namespace crossgate {
namespace {

// Whoever started this process.
struct Starter {
  std::vector<Fd> descriptors;   // what it had open besides
  std::optional<Daemon> waiting;  // let go of at the very end, so that a reason is told before its prompt is back
};

int complain(const std::string& reason, const Predecessors& predecessors) {
  std::cerr << "crossgate: " + reason + '\n';
  predecessors.complain(reason);
  return EXIT_FAILURE;
}

// A generation's configuration with what the files hold that it names.
class Loader {
 public:
  explicit Loader(const CommandLine& line) : line_(line) {}

  Result<LoadedConfig> load() const {
    auto loaded = loadConfig(line_.configFile(), line_.overrides);
    if (!loaded) return loaded;
    auto secrets = loadSecrets(loaded->config, tickets_);
    if (!secrets) return secrets.error();
    loaded->config.secrets = *std::move(secrets);
    return loaded;
  }
  /// And with the user that workers become, who need not be there for a check.
  Result<LoadedConfig> loadToServe() const {
    auto loaded = load();
    if (!loaded || loaded->config.user.empty()) return loaded;
    auto user = findSystemUser(loaded->config.user);
    if (!user) return user.error();
    loaded->config.systemUser = *std::move(user);
    return loaded;
  }
  void eachSecond() const { tickets_->rotateIfDue(); }

 private:
  CommandLine line_;
  std::shared_ptr<TicketKeys> tickets_ = std::make_shared<TicketKeys>();
};

Result<void> takePidFile(const std::string& path, Master::Estate& estate) {
  Fd handed = estate.predecessors.takePidFile();
  if (path.empty()) return {};
  auto acquired = PidFile::acquire(path, std::move(handed));
  if (!acquired) return acquired.error();
  estate.pidFile.emplace(*std::move(acquired));
  return {};
}

Result<int> serve(const CommandLine& line, const Loader& loader, LoadedConfig loaded, Master::Estate& estate,
                  Starter& starter) {
  auto log = Log::open(loaded.config.log);
  if (!log) return log.error();
  if (loaded.config.user.empty() && geteuid() == 0) {
    log->line(LogLevel::warning)
        .field("event", "workers run as root")
        .field("reason", "no user is configured");
  }

  prepareWorkers();
  if (const auto prepared = prepareSandbox(); !prepared) {
    log->line(LogLevel::warning)
        .field("event", "no sandbox for workers")
        .field("reason", prepared.error().detail);
  }

  if (!line.foreground && !estate.predecessors.present()) {
    auto detached = Daemon::detach();
    if (!detached) return detached.error();
    starter.waiting.emplace(*std::move(detached));
    starter.descriptors.clear();
  }
  if (auto taken = takePidFile(loaded.config.pidFile, estate); !taken) return taken.error();
  const auto authHelper = [](HelperStart start) {
    runAuthHelper(start.config.auth, start.log, std::move(start.questions), std::move(start.logNews));
  };
  const auto gssHelper = [](HelperStart start) {
    runGssHelper(start.config.gss, start.config.systemUser, start.log, std::move(start.questions),
                 std::move(start.logNews));
  };
  const auto gssClientHelper = [](HelperStart start) {
    runGssClientHelper(start.config.systemUser, start.log, std::move(start.questions), std::move(start.logNews));
  };
  Master master({[&] { return loader.loadToServe(); }, [&] { loader.eachSecond(); }, &runWorker, authHelper, gssHelper,
                 gssClientHelper},
                estate);
  if (auto started = master.start(std::move(loaded.config), *std::move(log)); !started) {
    return started.error();
  }
  if (estate.pidFile) {
    if (auto written = estate.pidFile->write(); !written) return written.error();
  }
  if (!line.foreground) leaveTerminal();
  if (starter.waiting) starter.waiting->ready();
  return master.run();
}

Result<int> run(int argc, char** argv, Master::Estate& estate, Starter& starter) {
  if (argc > 1 && std::string_view(argv[1]) == "passwd") return runPasswdCommand({argv + 2, argv + argc});
  // What follows these words is theirs; the options before them choose the configuration.
  char** const command = std::find_if(argv + std::min(argc, 1), argv + argc, [](std::string_view word) {
    return word == "explain" || word == "doctor";
  });
  auto line = parseCommandLine(static_cast<int>(command - argv), argv);
  if (!line) {
    complain(line.error().detail, estate.predecessors);
    return 2;
  }
  switch (line->action) {
    case CommandLine::Action::help: printHelp(std::cout); return EXIT_SUCCESS;
    case CommandLine::Action::version: std::cout << PACKAGE_STRING << '\n'; return EXIT_SUCCESS;
    default: break;
  }
  if (command != argv + argc) {
    const std::vector<std::string> arguments(command + 1, argv + argc);
    if (std::string_view(*command) == "doctor")
      return runDoctorCommand(line->configFile(), line->overrides, arguments, std::cout);
    const auto loaded = loadConfig(line->configFile(), line->overrides);
    if (!loaded) return loaded.error();
    return runExplainCommand(loaded->config, arguments, std::cout);
  }
  if (line->action == CommandLine::Action::dump) {  // needs no secrets, and not the rights to read them
    const auto loaded = loadConfig(line->configFile(), line->overrides);
    if (!loaded) return loaded.error();
    dumpConfig(std::cout, loaded->values);
    return EXIT_SUCCESS;
  }
  const Loader loader(*line);
  const bool check = line->action == CommandLine::Action::check;
  auto loaded = check ? loader.load() : loader.loadToServe();
  if (!loaded) return loaded.error();
  if (check) return EXIT_SUCCESS;
  return serve(*line, loader, *std::move(loaded), estate, starter);
}

}  // namespace
}  // namespace crossgate

int main(int argc, char** argv) {
  using namespace crossgate;
  Master::Estate estate;
  estate.predecessors = Predecessors::fromEnvironment();
  estate.sockets = InheritedSockets::fromEnvironment();
  Starter starter;
  try {
    // An upgrade's starter leaves nothing but what the estate has taken.
    if (!estate.predecessors.present()) starter.descriptors = openDescriptorsBut(estate.sockets.descriptors());
    estate.program = Program::ofThisProcess(argc, argv);
    const auto code = run(argc, argv, estate, starter);
    return code ? *code : complain(code.error().detail, estate.predecessors);
  } catch (const std::exception& error) {
    return complain(error.what(), estate.predecessors);
  }
}
