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
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "socksify/ask_gateway.h"
#include "socksify/config.h"
#include "socksify/executable.h"
#include "socksify/janitor.h"
#include "socksify/private_gateway.h"
#include "socksify/real.h"
#include "socksify/socks_lib.h"
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

void announcePrivateGateway(std::uint16_t port) {
  ::setenv("SOCKSIFY_RELAY", ("127.0.0.1:" + std::to_string(port)).c_str(), 1);
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
  preload(library);
  ::execv(path, command);
  const int error = errno;
  return complain(error == ENOENT ? notFound : cannotRun, std::string(path) + ": " + std::strerror(error));
}

// ---- doctor -------------------------------------------------------------------------------------

bool reportStep(bool good, const std::string& what) {
  std::printf("%s  %s\n", good ? "ok   " : "WRONG", what.c_str());
  return good;
}

bool checkReachable(const Endpoint& endpoint) {
  const int fd = ::socket(toAf(endpoint.address.family()), SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{5, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_storage storage;
  const socklen_t length = endpoint.toSockaddr(storage);
  const bool good = ::connect(fd, reinterpret_cast<const sockaddr*>(&storage), length) == 0;
  const int error = errno == EINPROGRESS ? ETIMEDOUT : errno;
  ::close(fd);
  return reportStep(
      good, "connect to " + endpoint.toString() + (good ? "" : std::string(": ") + std::strerror(error)));
}

std::string explain(const Error& error) {
  switch (error.failure) {
    case Failure::denied:
      return error.detail + " (user and password right? do the gateway's rules permit it?)";
    case Failure::malformed: return error.detail + " (is that a SOCKS5 server?)";
    case Failure::hostUnreachable: return error.detail + " (no such name, or no way to the host)";
    default: return error.detail;
  }
}

// The gateway's name, its address and the way to it, as far as the Socks Lib itself goes it.
bool checkWay(const Config& config) {
  auto addresses = SocksLib::get().gatewayAddresses();
  const std::string gateway = config.gatewayHost + ", port " + std::to_string(config.gatewayPort);
  if (!reportStep(addresses.has_value(),
                  "address of the gateway " + gateway + (addresses ? "" : ": " + addresses.error().detail)))
    return false;
  return std::count_if(addresses->begin(), addresses->end(), checkReachable) > 0;
}

// Why the private gateway could not do what it was asked for last; empty when it has not said.
std::string lastComplaint(PrivateGateway* gateway) {
  std::string reason;
  if (gateway == nullptr || gateway->log() < 0) return reason;
  // Its line is written when the conversation has ended, a moment after the answer.
  constexpr int patience = 3000;
  pollfd ready{gateway->log(), POLLIN, 0};
  ::poll(&ready, 1, patience);
  gateway->readLog([&](std::string_view line) {
    if (const std::string why = reasonIn(line); !why.empty()) reason = ": " + why;
  });
  return reason;
}

int doctor(const char* crossgate, const char* target) {
  auto config = loadConfig();
  if (!reportStep(config.has_value(), "config" + (config ? "" : ": " + config.error().detail))) return 1;
  if (!reportStep(!config->gatewayHost.empty(), "a gateway is given")) return 1;
  std::optional<PrivateGateway> gateway;
  if (config->needsPrivateGateway()) {
    auto started = PrivateGateway::start(crossgate, privateConfig(*config, ::geteuid()));
    if (!reportStep(started.has_value(),
                    "private gateway to " + config->gatewayHost + (started ? "" : ": " + started.error().detail)))
      return 1;
    gateway.emplace(*std::move(started));
    announcePrivateGateway(gateway->port());
  } else if (!checkWay(*config)) {
    return 1;
  }
  PrivateGateway* between = gateway ? &*gateway : nullptr;
  auto destination = Destination::parse(target);
  if (!destination) return complain(failed, destination.error().detail);
  if (destination->name() != nullptr) {
    const auto address = askGateway({socks5::Command::resolve, {*destination->name(), 0}});
    const bool unable = !address && address.error().failure == Failure::unsupportedCommand;
    reportStep(address.has_value() || unable,
               "name " + *destination->name() +
                   (address  ? " is " + address->bound.hostText()
                    : unable ? ": the gateway can't tell names alone, which does not matter"
                             : ": " + explain(address.error()) + lastComplaint(between)));
  }
  const auto reply = askGateway({socks5::Command::connect, *destination});
  return reportStep(reply.has_value(),
                    "connection to " + destination->toString() + " through the gateway" +
                        (reply ? "" : ": " + explain(reply.error()) + lastComplaint(between)))
             ? 0
             : 1;
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
  // That of a tree we may be in ourselves is not ours.
  ::unsetenv("SOCKSIFY_RELAY");
  if (mode == "run" && argc > 4) return run(argv[2], argv[3], argv + 4);
  if (mode == "doctor" && (argc == 3 || argc == 4))
    return doctor(argv[2], argc == 4 ? argv[3] : "example.com:80");
  if (mode == "options" && argc == 2) return printOptions();
  return complain(failed, "socksify-launch is for the use of socksify");
}

}  // namespace crossgate::socksify

int main(int argc, char** argv) { return crossgate::socksify::launch(argc, argv); }
