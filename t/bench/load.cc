// SPDX-License-Identifier: BSD-2-Clause
// The load program: SOCKS client and destination server in one, over loopback, for measuring a
// SOCKS5 server.  t/bench/run starts servers and calls it; by hand:
//
//   t/bench/load connect --gateway 127.0.0.1:1080 --pid $(pidof microsocks)
//
// One thread plays both ends.  Each mode is a file load_MODE.cc; all that travels is checked.
// Exit status: 0 measured, 1 something was carried wrongly or failed, 2 usage, 3 no way to run here.
#include "t/bench/load.h"

#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace crossgate::bench {
namespace {

constexpr double endAfterSeconds = 600;  // no phase of any mode lasts longer

const char usageText[] =
    "usage: load MODE (--gateway HOST:PORT | --direct) [options]\n"
    "modes\n"
    "  connect    relays opened, used for one request and answer, and closed; per second\n"
    "  bulk       octets per second over --relays relays\n"
    "  idle       --relays relays held: memory each, latency over --active of them, and of new ones\n"
    "  udp        datagrams per second over --relays associations\n"
    "  pingpong   round trips of one octet over one relay\n"
    "  soak       --count relays of every kind: transfers, half-closes, aborts; each octet checked\n"
    "options\n"
    "  --gateway HOST:PORT   the SOCKS5 server (an address)    --direct   no server at all\n"
    "  --user U --password P authenticate (RFC 1929)           --tls      TLS to the server\n"
    "  --resume              resume TLS sessions               --pid PID  the server's first process\n"
    "  --family 4|6          of the destination [4]            --name N   ask for it by this name\n"
    "  --concurrency N [32]  --relays N [1]  --active N [100]  --octets N [64]  --window N [8]\n"
    "  --direction down|up|both [down]  --seconds S [3]  --warmup S [0.5]  --count N  --seed N [1]\n"
    "  --rate N              connect: so many begin in each second, however long they take\n"
    "  --split               the destination in a process of its own\n"
    "  --cpu N               run on this CPU only              --json     one line of JSON\n";

[[noreturn]] void usage(const char* wrong) {
  std::fprintf(stderr, "load: %s\n%s", wrong, usageText);
  std::exit(2);
}

double number(const char* text, double least, double most) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || value < least || value > most) usage(text);
  return value;
}

unsigned count(const char* text, unsigned most) { return static_cast<unsigned>(number(text, 1, most)); }

enum Option : int {
  optGateway = 256,
  optDirect,
  optUser,
  optPassword,
  optTls,
  optResume,
  optPid,
  optFamily,
  optName,
  optConcurrency,
  optRelays,
  optActive,
  optOctets,
  optWindow,
  optDirection,
  optSeconds,
  optWarmup,
  optCount,
  optSeed,
  optRate,
  optSplit,
  optCpu,
  optJson,
  optHelp,
};

const option optionTable[] = {
    {"gateway", required_argument, nullptr, optGateway},
    {"direct", no_argument, nullptr, optDirect},
    {"user", required_argument, nullptr, optUser},
    {"password", required_argument, nullptr, optPassword},
    {"tls", no_argument, nullptr, optTls},
    {"resume", no_argument, nullptr, optResume},
    {"pid", required_argument, nullptr, optPid},
    {"family", required_argument, nullptr, optFamily},
    {"name", required_argument, nullptr, optName},
    {"concurrency", required_argument, nullptr, optConcurrency},
    {"relays", required_argument, nullptr, optRelays},
    {"active", required_argument, nullptr, optActive},
    {"octets", required_argument, nullptr, optOctets},
    {"window", required_argument, nullptr, optWindow},
    {"direction", required_argument, nullptr, optDirection},
    {"seconds", required_argument, nullptr, optSeconds},
    {"warmup", required_argument, nullptr, optWarmup},
    {"count", required_argument, nullptr, optCount},
    {"seed", required_argument, nullptr, optSeed},
    {"rate", required_argument, nullptr, optRate},
    {"split", no_argument, nullptr, optSplit},
    {"cpu", required_argument, nullptr, optCpu},
    {"json", no_argument, nullptr, optJson},
    {"help", no_argument, nullptr, optHelp},
    {nullptr, 0, nullptr, 0},
};

void apply(Options& options, int which, const char* text) {
  Route& route = options.route;
  switch (which) {
    case optGateway:
      route.gateway = Endpoint::parse(text);
      if (!route.gateway) usage("--gateway takes ADDRESS:PORT");
      break;
    case optDirect: route.gateway.reset(); break;
    case optUser:
      if (!route.credentials) route.credentials.emplace();
      route.credentials->user = text;
      break;
    case optPassword:
      if (!route.credentials) route.credentials.emplace();
      route.credentials->password = text;
      break;
    case optTls: route.tls = true; break;
    case optResume: route.resume = true; break;
    case optPid: options.serverPid = static_cast<pid_t>(number(text, 1, 1 << 30)); break;
    case optFamily: options.family = number(text, 4, 6) < 5 ? Family::ipv4 : Family::ipv6; break;
    case optName: options.name = text; break;
    case optConcurrency: options.concurrency = count(text, 20000); break;
    case optRelays: options.relays = count(text, 50000); break;
    case optActive: options.active = count(text, 50000); break;
    case optOctets: options.octets = count(text, 60000); break;
    case optWindow: options.window = count(text, 64); break;
    case optDirection:
      options.direction = text;
      if (options.direction != "down" && options.direction != "up" && options.direction != "both")
        usage(text);
      break;
    case optSeconds: options.seconds = number(text, 0.1, 300); break;
    case optWarmup: options.warmupSeconds = number(text, 0, 60); break;
    case optCount: options.count = static_cast<std::uint64_t>(number(text, 1, 1e8)); break;
    case optSeed: options.seed = static_cast<std::uint32_t>(number(text, 0, 4e9)); break;
    case optRate: options.rate = count(text, 10000); break;
    case optSplit: options.split = true; break;
    case optCpu: options.cpu = static_cast<int>(number(text, 0, 1023)); break;
    case optJson: options.json = true; break;
    case optHelp: std::fputs(usageText, stdout); std::exit(0);
    default: std::fputs(usageText, stderr); std::exit(2);
  }
}

Options parse(int argc, char** argv) {
  Options options;
  bool target = false;
  for (int which; (which = getopt_long(argc, argv, "", optionTable, nullptr)) != -1;) {
    target = target || which == optGateway || which == optDirect;
    apply(options, which, optarg);
  }
  if (optind + 1 != argc) usage("one mode");
  options.mode = argv[optind];
  if (!target) usage("--gateway or --direct");
  return options;
}

// As many descriptors as we may have; returns how many that are.
std::uint64_t raiseFileLimit() {
  const rlimit wanted{.rlim_cur = 200000, .rlim_max = 200000};
  if (setrlimit(RLIMIT_NOFILE, &wanted) == 0) return wanted.rlim_cur;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur;
}

void stayOnCpu(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) std::perror("load: --cpu");
}

// The destination as a child that ends with us.
void serveInChild(DestinationServer& destination) {
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) {
    std::perror("fork");
    std::exit(3);
  }
  if (child > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  Loop loop;
  destination.serve(loop);
  loop.run(2 * endAfterSeconds);
  _exit(0);
}

double ownCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void runMode(Load& load) {
  const std::string& mode = load.options.mode;
  if (mode == "connect") return runConnect(load);
  if (mode == "bulk") return runBulk(load);
  if (mode == "idle") return runIdle(load);
  if (mode == "udp") return runUdp(load);
  if (mode == "pingpong") return runPingpong(load);
  if (mode == "soak") return runSoak(load);
  usage("unknown mode");
}

int run(int argc, char** argv) {
  Options options = parse(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  // A relay takes two descriptors, or one when the destination is a process of its own.
  if (2 * std::uint64_t{options.relays} + 1000 > raiseFileLimit()) options.split = true;
  stayOnCpu(options.cpu);
  sharedTally();
  Payload(0).at(0, 1);  // the table is made before anything is timed, and shared with the child
  DestinationServer destination;
  const std::uint16_t port = destination.port();
  if (options.split) serveInChild(destination);
  Loop loop;
  if (!options.split) destination.serve(loop);
  Client client(loop, options.route);
  Report report(options.mode);
  Load load{options, loop, client, ProcessTree(options.serverPid), port, report};
  runMode(load);
  checkTally(load);
  report.print(options.json);
  return report.failed() ? 1 : 0;
}

}  // namespace

Task<bool> Window::pass() {
  if (!co_await load_.loop.sleep(load_.options.warmupSeconds)) co_return false;
  begin();
  const bool whole = co_await load_.loop.sleep(load_.options.seconds);
  end();
  co_return whole;
}

void Window::begin() {
  if (load_.server) serverCpu_ = -load_.server.cpuSeconds();
  ownCpu_ = -ownCpuSeconds();
  start_ = Clock::now();
  opened_ = true;
}

void Window::end() {
  if (!open()) return;
  seconds_ = secondsSince(start_);
  ownCpu_ += ownCpuSeconds();
  if (load_.server) serverCpu_ += load_.server.cpuSeconds();
  closed_ = true;
}

void Window::reportLoad(Report& report) const {
  report.add("load_busy", ownCpu_ / seconds_, "share of one CPU that the load itself used");
}

std::string whyNot(const Opened& opened) {
  if (opened.code == socks5::ReplyCode::succeeded) return std::strerror(opened.error);
  return "the server replied " + std::to_string(static_cast<int>(opened.code));
}

void checkTally(Load& load) {
  const std::uint64_t wrong = sharedTally().wrong;
  load.report.add("wrong", static_cast<double>(wrong), "pieces that arrived different from what was sent");
  if (wrong) load.report.fail("octets arrived that were not sent");
}

}  // namespace crossgate::bench

int main(int argc, char** argv) { return crossgate::bench::run(argc, argv); }
