// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/private_gateway.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace crossgate::socksify {
namespace {

constexpr std::chrono::seconds startPatience{10};
constexpr int configFd = 3;
constexpr std::size_t longestLine = 64 * 1024;

// RFC 3986: what a user or password can't hold as it is.
std::string percentEncoded(const std::string& text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
    encoded += plain ? std::string(1, c) : escaped;
  }
  return encoded;
}

std::string gatewayAsHop(const Config& config) {
  std::string hop = "socks5";
  if (config.tls) hop += "+tls";
  if (config.gssapi) hop += "+gssapi";
  hop += "://";
  if (config.credentials && !config.gssapi) {
    hop += percentEncoded(config.credentials->user) + ":" + percentEncoded(config.credentials->password) + "@";
  }
  const bool bare = config.gatewayHost.find(':') != std::string::npos && config.gatewayHost[0] != '[';
  hop += bare ? "[" + config.gatewayHost + "]" : config.gatewayHost;
  return hop + ":" + std::to_string(config.gatewayPort);
}

Result<Fd> fileInMemory(const std::string& text) {
  Fd file(::memfd_create("crossgate.conf", MFD_CLOEXEC));
  if (!file) return systemError("memfd_create", errno);
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return systemError("memfd_create", errno);
  return file;
}

[[noreturn]] void become(const std::string& program, int config, int log, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGINT);
  if (::getppid() != parent) ::_exit(1);
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, STDIN_FILENO);
  ::dup2(null, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  // To another number first: the duplicate is the one without FD_CLOEXEC.
  const int copy = ::fcntl(config, F_DUPFD, configFd + 1);
  ::dup2(copy, configFd);
  ::close_range(configFd + 1, ~0U, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::unsetenv("LD_PRELOAD");
  const std::string file = "/proc/self/fd/" + std::to_string(configFd);
  ::execl(program.c_str(), "crossgate", "--foreground", "-f", file.c_str(), nullptr);
  const std::string why = program + ": " + std::strerror(errno) + "\n";
  (void)!::write(STDERR_FILENO, why.data(), why.size());
  ::_exit(127);
}

std::string field(std::string_view line, std::string_view key) {
  const std::string begin = " " + std::string(key) + "=";
  const auto at = line.find(begin);
  if (at == line.npos) return {};
  std::string_view rest = line.substr(at + begin.size());
  if (!rest.starts_with('"')) return std::string(rest.substr(0, rest.find(' ')));
  std::string value;
  for (std::size_t i = 1; i < rest.size() && rest[i] != '"'; ++i) {
    if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
    value += rest[i];
  }
  return value;
}

}  // namespace

std::string privateConfig(const Config& config, uid_t owner) {
  // What the program may do is the real Gateway's affair.
  std::string text = "[listen]\nsocks = 127.0.0.1:0 owner " + std::to_string(owner) +
                     "\n[workers]\nstart = 1\nspare-min = 1\nspare-max = 2\nmax = 4\nrelays = 4096\ndrain = 1\n"
                     "[access]\nrule = permit to *,0.0.0.0/0,::/0\n[log]\nto = stderr\n[route]\n";
  for (const std::string& via : config.via) text += "via = " + via + "\n";
  text += "via = " + gatewayAsHop(config) + "\n";
  if (!config.ca.empty()) text += "ca = " + config.ca + "\n";
  if (!config.certificate.empty()) text += "certificate = " + config.certificate + "\n";
  if (!config.key.empty()) text += "key = " + config.key + "\n";
  return text;
}

void announcePrivateGateway(std::uint16_t port) {
  ::setenv("SOCKSIFY_RELAY", ("127.0.0.1:" + std::to_string(port)).c_str(), 1);
}

std::string reasonIn(std::string_view line) { return field(line, "reason"); }

Result<PrivateGateway> PrivateGateway::start(const std::string& program, const std::string& config) {
  const auto file = fileInMemory(config);
  if (!file) return file.error();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return systemError("pipe", errno);
  Fd log(ends[0]);
  Fd theirs(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return systemError("fork", errno);
  if (pid == 0) become(program, file->get(), theirs.get(), parent);
  PrivateGateway gateway(pid, std::move(log));
  theirs.reset();  // its end must be the last one, or its death would not be seen
  if (auto listens = gateway.awaitListening(); !listens) return listens.error();
  return gateway;
}

PrivateGateway::PrivateGateway(PrivateGateway&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      log_(std::move(other.log_)),
      unfinished_(std::move(other.unfinished_)),
      port_(other.port_) {}

PrivateGateway::~PrivateGateway() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGINT);
  ::waitpid(pid_, nullptr, 0);
}

Result<void> PrivateGateway::awaitListening() {
  const auto deadline = std::chrono::steady_clock::now() + startPatience;
  std::string said;
  while (port_ == 0 && log_) {
    using std::chrono::milliseconds;
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return Error{Failure::timedOut, "the private gateway does not begin"};
    pollfd ready{log_.get(), POLLIN, 0};
    ::poll(&ready, 1, static_cast<int>(left));
    readLog([&](std::string_view line) {
      const std::string address = field(line, "address");
      if (field(line, "event") == "listening" && address.find(':') != address.npos) {
        const std::size_t colon = address.rfind(':') + 1;
        std::from_chars(address.data() + colon, address.data() + address.size(), port_);
      }
      said += (said.empty() ? "" : "\n") + std::string(line);
    });
  }
  if (port_ != 0) return {};
  return Error{Failure::invalid, said.empty() ? "the private gateway ended at once" : said};
}

void PrivateGateway::readLog(const std::function<void(std::string_view line)>& line) {
  char chunk[4096];
  ssize_t got = 0;
  while (log_ && (got = ::read(log_.get(), chunk, sizeof chunk)) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    unfinished_.append(chunk, static_cast<std::size_t>(got));
    for (auto end = unfinished_.find('\n'); end != unfinished_.npos; end = unfinished_.find('\n')) {
      line(std::string_view(unfinished_).substr(0, end));
      unfinished_.erase(0, end + 1);
    }
    if (unfinished_.size() > longestLine) unfinished_.clear();
  }
  if (got == 0) log_.reset();
}

}  // namespace crossgate::socksify
