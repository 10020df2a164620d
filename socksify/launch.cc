// SPDX-License-Identifier: BSD-2-Clause
// socksify-launch: the part of socksify that a shell script can't do.
//
//     socksify-launch run LIBRARY CROSSGATE PROGRAM [ARG...]   becomes PROGRAM, socksified
//     socksify-launch doctor CROSSGATE [HOST:PORT]   says what works between here and the Gateway
//     socksify-launch options                        the keys of the config, for people and the manual
//
// `run` checks the config and the program first, so that nothing starts that would not go through the
// Gateway, and makes the tree's memory (tree_memory.h).  Then it becomes the program itself: process
// id, signals, job control and exit code need no help.  A janitor stays behind (janitor.h), which also keeps
// the private gateway where the way to the Gateway needs one: CROSSGATE is the program that it is.
//
// Exit codes of its own are those of env(1): 125 socksify failed, 126 PROGRAM can't be socksified or
// run, 127 there is no PROGRAM.
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "socksify/config.h"
#include "socksify/doctor.h"
#include "socksify/executable.h"
#include "socksify/janitor.h"
#include "socksify/private_gateway.h"
#include "socksify/tree_memory.h"

namespace crossgate::socksify {
namespace {

constexpr int failed = 125, cannotRun = 126, notFound = 127;

int complain(int code, const std::string& what) {
  std::fprintf(stderr, "socksify: %s\n", what.c_str());
  return code;
}

// ---- the tree's memory --------------------------------------------------------------------------

std::string memoryFolder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  struct stat status {};
  if (runtime != nullptr && runtime[0] == '/' && ::stat(runtime, &status) == 0 &&
      status.st_uid == ::geteuid() && (status.st_mode & (S_IRWXG | S_IRWXO)) == 0) {
    return runtime;
  }
  return ::access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}

std::string makeMemory() {
  for (int tries = 0; tries < 8; ++tries) {
    std::uint64_t random = 0;
    if (::getrandom(&random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) break;
    char name[64];
    std::snprintf(name, sizeof name, "/socksify-%u-%016llx", ::geteuid(),
                  static_cast<unsigned long long>(random));
    const std::string path = memoryFolder() + name;
    if (TreeMemory::create(path.c_str())) return path;
    if (errno != EEXIST) break;
  }
  return {};
}

// ---- run ----------------------------------------------------------------------------------------

void preload(const char* library) {
  std::string list = library;
  if (const char* present = std::getenv("LD_PRELOAD"); present != nullptr && present[0] != '\0') {
    list += std::string(":") + present;
  }
  ::setenv("LD_PRELOAD", list.c_str(), 1);
}

std::string whyNotSocksifiable(const char* path) {
  Program program;
  inspect(path, program);
  if (program.obstacle == Obstacle::none) return {};
  const std::string of = program.path == std::string(path) ? "" : "runs " + std::string(program.path) + ", which ";
  return std::string(path) + " " + of + describe(program.obstacle);
}

Household householdOf(const Config& config, const std::string& memory, const char* gateway) {
  if (!config.needsPrivateGateway()) return {memory, {}, {}, false};
  return {memory, gateway, privateConfig(config, ::geteuid()), config.verbose};
}

int run(const char* library, const char* gateway, char** command) {
  auto config = loadConfig();
  if (!config) return complain(failed, config.error().detail);
  if (config->gatewayHost.empty()) {
    return complain(
        failed, "no gateway: give one with -g HOST:PORT, in SOCKS5_SERVER, or as `gateway` in the config");
  }
  if (::access(library, R_OK) != 0)
    return complain(failed, std::string(library) + ": " + std::strerror(errno));
  char path[PATH_MAX];
  if (!findProgram(command[0], std::getenv("PATH"), path))
    return complain(notFound, std::string(command[0]) + ": no such program");
  if (const std::string why = whyNotSocksifiable(path); !why.empty())
    return complain(cannotRun, why + ", so it can't be socksified");
  const std::string memory = makeMemory();
  if (memory.empty())
    return complain(failed, "no shared memory for the mapping table: " + std::string(std::strerror(errno)));
  const auto port = startJanitor(householdOf(*config, memory, gateway));
  if (!port) {
    ::unlink(memory.c_str());
    return complain(failed, port.error().detail);
  }
  if (*port != 0) announcePrivateGateway(*port);
  ::setenv("SOCKSIFY_TABLE", memory.c_str(), 1);
  if (const std::string file = personalConfig(); !file.empty()) ::setenv(personalConfigVariable, file.c_str(), 1);
  preload(library);
  ::execv(path, command);
  const int error = errno;
  return complain(error == ENOENT ? notFound : cannotRun, std::string(path) + ": " + std::strerror(error));
}

int printOptions() {
  for (const ConfigOption& option : configOptions()) {
    std::printf("%s = %s\n    %s\n", option.name, option.initial, option.help);
  }
  return 0;
}

}  // namespace

static int launch(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  // Those of a tree we may be in ourselves are not ours.
  ::unsetenv("SOCKSIFY_RELAY");
  ::unsetenv(personalConfigVariable);
  if (mode == "run" && argc > 4) return run(argv[2], argv[3], argv + 4);
  if (mode == "doctor" && (argc == 3 || argc == 4))
    return doctor(argv[2], argc == 4 ? argv[3] : "example.com:80");
  if (mode == "options" && argc == 2) return printOptions();
  return complain(failed, "socksify-launch is for the use of socksify");
}

}  // namespace crossgate::socksify

int main(int argc, char** argv) { return crossgate::socksify::launch(argc, argv); }
