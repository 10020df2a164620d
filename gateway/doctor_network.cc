// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/doctor_network.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <list>
#include <set>
#include <vector>

#include "gateway/address_order.h"
#include "gateway/interface_watch.h"
#include "gateway/listener.h"
#include "gateway/local_socket.h"
#include "gateway/own_addresses.h"

namespace crossgate {
namespace {

constexpr std::chrono::seconds patience{5};

// ---- listeners ------------------------------------------------------------------------------------

// Where a process listens, by copies of its sockets: what another network namespace has would not count.
struct Holdings {
  bool visible = false;  // false: nobody runs, or we have no right to look
  std::vector<Endpoint> endpoints;

  // An address of all zeros has every address of its family.
  bool include(const Endpoint& wanted) const {
    return std::any_of(endpoints.begin(), endpoints.end(), [&](const Endpoint& each) {
      return each.port == wanted.port && each.address.family() == wanted.address.family() &&
             (each.address == wanted.address || each.address.isUnspecified() ||
              wanted.address.isUnspecified());
    });
  }
};

bool listens(int fd) {
  int is = 0;
  socklen_t size = sizeof is;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is, &size) == 0 && is != 0;
}

Holdings holdingsOf(pid_t pid) {
  Holdings holdings;
  const Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  std::error_code failed;
  const auto folder = std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", failed);
  if (!process || failed) return holdings;
  for (const auto& entry : folder) {
    const int number = std::stoi(entry.path().filename().string());
    const Fd copy(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), number, 0)));
    if (!copy) continue;
    holdings.visible = true;
    if (const auto endpoint = listens(copy.get()) ? localEndpoint(copy.get()) : std::nullopt) {
      holdings.endpoints.push_back(*endpoint);
    }
  }
  return holdings;
}

class ListenerCheck {
 public:
  ListenerCheck(std::optional<pid_t> running, Findings& findings) : running_(running), findings_(findings) {
    if (running_) holdings_ = holdingsOf(*running_);
  }

  void examine(const ListenerConfig& listener) {
    if (listener.interface.empty()) return examine(listener.endpoint, "");
    const auto addresses = addressesOf(listener.interface);
    if (addresses.empty()) {
      findings_.note("listen: interface " + listener.interface +
                     " is not there, or has no address: its listener will wait");
    }
    for (const IpAddress& address : addresses) {
      examine({address, listener.endpoint.port}, " of interface " + listener.interface);
    }
  }

 private:
  void examine(const Endpoint& endpoint, const std::string& origin) {
    const std::string what = "listen: " + endpoint.toString() + origin;
    if (holdings_.include(endpoint)) {
      return findings_.ok(what + " is held by the running crossgate " + std::to_string(*running_));
    }
    const auto opened = Listener::open(endpoint);
    if (opened) return findings_.ok(what + " can be bound");
    const Error& error = opened.error();
    if (error.failure == Failure::networkUnreachable) {
      return findings_.note(what + " is no address of this host: its listener will wait");
    }
    if (running_ && !holdings_.visible) {
      return findings_.note(what + ": cannot be bound; whether crossgate " + std::to_string(*running_) +
                            " holds it can be seen only by root");
    }
    findings_.wrong("listen: " + error.detail + origin);
  }

  std::optional<pid_t> running_;
  Holdings holdings_;
  Findings& findings_;
};

// ---- addresses ------------------------------------------------------------------------------------

void examineSource(const std::optional<IpAddress>& address, Findings& findings) {
  if (!address) return;
  const std::string what = "external.address: " + address->toString();
  if (const auto opened = openDatagramSocket(*address, {}); !opened) {
    return findings.wrong(what + ": " + opened.error().detail);
  }
  findings.ok(what + " can be bound");
}

void examineAdvertised(const std::string& key, const std::optional<IpAddress>& address, Findings& findings) {
  if (!address) return;
  if (OwnAddresses().contains(*address)) {
    findings.ok(key + ": " + address->toString() + " is this host's");
  } else {
    findings.note(key + ": " + address->toString() +
                  " is no address of this host: something before it has to translate");
  }
}

void examineRoute(Family family, Preference prefer, Findings& findings) {
  // For documentation (RFC 5737, RFC 3849): nothing is sent there.
  const IpAddress anywhere = *IpAddress::parse(family == Family::ipv4 ? "203.0.113.1" : "2001:db8:ffff::1");
  const std::string name = toString(family);
  if (const auto source = kernelSource(anywhere)) {
    return findings.ok("route: " + name + " leaves from " + source->toString());
  }
  const bool only = prefer == (family == Family::ipv4 ? Preference::ipv4Only : Preference::ipv6Only);
  const std::string missing = "route: this host has no default route for " + name;
  if (only) return findings.wrong(missing + ", and resolver.prefer wants nothing else");
  findings.note(missing);
}

// ---- name servers and hops ------------------------------------------------------------------------

const Admit everybody = [](const IpAddress&, const std::string&) { return Result<void>{}; };

class Peers {
 public:
  explicit Peers(const Config& config) : config_(config), resolver_(loop_, config.nameservers) {}

  void ask(const std::string& name) {
    if (config_.nameservers.empty()) ask("the system's name servers", {}, name);
    for (const std::string& server : config_.nameservers) ask("name server " + server, {server}, name);
  }

  void connect() {
    std::set<std::string> seen;
    for (const Route& route : config_.routes.routes()) {
      for (const HopPath& path : route.paths) {
        const Hop& hop = path.hops.front();
        if (!seen.insert(hop.text).second) continue;
        calls_.push_back(
            {hop.text, dial(resolver_, config_.dial, hop.address, everybody, in(patience))});
        calls_.back().task.start([](void*) noexcept {}, nullptr);
      }
    }
  }

  void report(Findings& findings) {
    for (Question& question : questions_) {
      wait(question.task);
      const auto& answer = question.task.result();
      if (answer || answer.error().failure == Failure::noSuchName) {
        findings.ok("names: " + question.whom + (question.servers.empty() ? " answer" : " answers"));
      } else {
        findings.wrong("names: " + question.whom + ": " + answer.error().detail);
      }
    }
    for (Call& call : calls_) {
      wait(call.task);
      if (const auto& reached = call.task.result(); !reached) {
        findings.wrong("hop: " + call.hop + ": " + reached.error().detail);
      } else {
        findings.ok("hop: " + call.hop + " accepts connections");
      }
    }
  }

 private:
  struct Question {
    Question(EventLoop& loop, std::string who, std::vector<std::string> where, const std::string& name)
        : whom(std::move(who)),
          servers(std::move(where)),
          resolver(loop, servers),
          task(lookUp(resolver, name, Preference::ipv6, everybody, in(patience))) {}
    std::string whom;
    std::vector<std::string> servers;
    Resolver resolver;
    Task<Result<NameAddresses>> task;
  };
  struct Call {
    std::string hop;
    Task<Result<Connection>> task;
  };

  void ask(std::string whom, std::vector<std::string> servers, const std::string& name) {
    questions_.emplace_back(loop_, std::move(whom), std::move(servers), name);
    questions_.back().task.start([](void*) noexcept {}, nullptr);
  }

  template <class T>
  void wait(const Task<T>& task) {
    while (!task.done()) loop_.turn();
  }

  const Config& config_;
  EventLoop loop_;
  Resolver resolver_;
  std::list<Question> questions_;
  std::list<Call> calls_;
};

}  // namespace

void examineListeners(const Config& config, std::optional<pid_t> running, Findings& findings) {
  ListenerCheck check(running, findings);
  for (const ListenerConfig& listener : config.listeners) check.examine(listener);
}

void examineAddresses(const Config& config, Findings& findings) {
  examineSource(config.dial.sourceV4, findings);
  examineSource(config.dial.sourceV6, findings);
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    examineAdvertised("bind.advertise", config.bind.advertise.of(family), findings);
    examineAdvertised("udp.advertise", config.associate.advertise.of(family), findings);
    examineRoute(family, config.dial.prefer, findings);
  }
}

void examinePeers(const Config& config, const std::string& name, Findings& findings) {
  Peers peers(config);
  peers.ask(name);
  peers.connect();
  peers.report(findings);
}

}  // namespace crossgate
