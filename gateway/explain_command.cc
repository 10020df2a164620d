// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/explain_command.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <iostream>
#include <map>

#include "gateway/name_lookup.h"
#include "gateway/own_addresses.h"

namespace crossgate {
namespace {

namespace po = boost::program_options;

struct Question {
  Subject subject;
  Command command = Command::connect;
  Destination to;
};

po::options_description describe() {
  po::options_description description("crossgate [-f FILE] explain");
  const auto text = [](const char* name) { return po::value<std::vector<std::string>>()->value_name(name); };
  description.add_options()("from", text("ADDRESS"), "where the client is; default: 127.0.0.1")(
      "to", text("HOST:PORT"), "the destination")("user", text("NAME"), "who it has logged in as")(
      "command", text("COMMAND"), "connect (the default), bind, udp or resolve")(
      "auth", text("METHOD"), "by which method; default: userpass with --user, else none")(
      "tls", "the client came by TLS")("help,h", "print this, and exit");
  return description;
}

Error invalid(std::string detail) { return {Failure::invalid, std::move(detail)}; }

// The value of an option: the last one given, or the default.
std::string valueOf(const po::parsed_options& given, const std::string& key, std::string value) {
  for (const auto& option : given.options) {
    if (option.string_key == key && !option.value.empty()) value = option.value.back();
  }
  return value;
}

bool has(const po::parsed_options& given, const std::string& key) {
  return std::any_of(given.options.begin(), given.options.end(),
                     [&](const auto& option) { return option.string_key == key; });
}

Result<Question> read(const po::parsed_options& given) {
  Question question;
  const auto from = IpAddress::parse(valueOf(given, "from", "127.0.0.1"));
  if (!from) return invalid("--from: not an IPv4 or IPv6 address");
  question.subject.client = {from->unmapped(), 0};
  if (!has(given, "to")) return invalid("--to HOST:PORT is missing");
  const auto to = Destination::parse(valueOf(given, "to", ""));
  if (!to) return invalid("--to: " + to.error().detail);
  question.to = *to;
  const auto command = parseCommand(valueOf(given, "command", "connect"));
  if (!command) return invalid("--command: none of connect, bind, udp, resolve");
  question.command = *command;
  question.subject.user = valueOf(given, "user", "");
  const auto method =
      parseMethod(valueOf(given, "auth", question.subject.user.empty() ? "none" : "userpass"));
  if (!method) return invalid("--auth: no method of that name");
  question.subject.method = *method;
  question.subject.tls = has(given, "tls");
  return question;
}

// ---- the answer, a line at a time -----------------------------------------------------------------

class Explanation {
 public:
  Explanation(const Config& config, const Question& question, std::ostream& out)
      : config_(config), question_(question), out_(out) {}

  bool explain() {
    const bool mayEnter = explainMethods();
    if (const Route* route = explainRoute(); route != nullptr && !route->isDirect() && !route->resolveHere)
      return explainDelegated() && mayEnter;
    const bool permitted = question_.to.address() != nullptr
                               ? explainAddress(nullptr, *question_.to.address())
                               : explainName(*question_.to.name());
    return mayEnter && permitted;
  }

 private:
  bool explainMethods() {
    const MethodRule* rule =
        methodRuleFor(config_.auth.methods, question_.subject.client, question_.subject.tls);
    if (rule == nullptr) {
      out_ << "method: none is offered: no line of auth.method concerns this client\n";
      return false;
    }
    out_ << "method:";
    for (const socks5::Method method : rule->methods) out_ << ' ' << toString(method);
    out_ << " (" << rule->place << ")\n";
    const bool offered = rule->offers(question_.subject.method);
    if (!offered) out_ << "method: " << toString(question_.subject.method) << " is not among them\n";
    return offered;
  }

  // As Outbound chooses it.
  const Route* explainRoute() {
    const RouteTable& routes = config_.routes;
    const Route* route = question_.command == Command::udp
                             ? routes.findForAll(question_.subject, question_.command)
                             : routes.find(question_.subject, question_.command, question_.to);
    if (routes.routes().empty()) return route;
    out_ << "route: ";
    if (route == nullptr) {
      out_ << "direct: no line of route.via concerns it\n";
      return route;
    }
    if (route->isDirect()) out_ << "direct";
    for (const HopPath& path : route->paths) out_ << (&path == &route->paths.front() ? "via " : " | ") << path.text();
    out_ << " (" << route->place << ")\n";
    return route;
  }

  // The last hop knows the addresses; what is judged here is what was asked for.
  bool explainDelegated() {
    if (const IpAddress* address = question_.to.address()) return explainJudgement(nullptr, *address, {});
    const std::string& name = *question_.to.name();
    const Judgement judgement =
        config_.access.judgeDelegated(question_.subject, question_.command, name, question_.to.port);
    print("name", name, judgement);
    return judgement.permitted;
  }

  void print(const char* what, const std::string& subject, const Judgement& judgement) {
    out_ << what << ' ' << subject << ": ";
    if (!judgement.permitted) {
      out_ << "denied: " << judgement.reason << '\n';
    } else if (judgement.rule == nullptr) {
      out_ << "depends on its addresses\n";
    } else {
      out_ << "permitted by the rule at " << judgement.rule->place << '\n';
    }
  }

  bool explainAddress(const std::string* name, const IpAddress& literal, const std::string& foundAs = {}) {
    const bool permitted = explainJudgement(name, literal, foundAs);
    if (permitted) explainSource(literal.unmapped());
    return permitted;
  }

  bool explainJudgement(const std::string* name, const IpAddress& literal, const std::string& foundAs) {
    const IpAddress address = literal.unmapped();
    const Judgement judgement =
        config_.access.judgeAddress(question_.subject, question_.command, name, address, question_.to.port,
                                    [&](const IpAddress& candidate) { return own_.contains(candidate); }, foundAs);
    print("address", address.toString(), judgement);
    return judgement.permitted;
  }

  void explainSource(const IpAddress& address) {
    const auto& source = address.isV4() ? config_.dial.sourceV4 : config_.dial.sourceV6;
    out_ << "  source: " << (source ? source->toString() + " (external.address)" : "chosen by the system")
         << '\n';
  }

  bool explainName(const std::string& name) {
    const Judgement judgement =
        config_.access.judgeName(question_.subject, question_.command, name, question_.to.port);
    print("name", name, judgement);
    return judgement.permitted && explainResolved(name);
  }

  bool explainResolved(const std::string& name) {
    EventLoop loop;
    Resolver resolver(loop, config_.nameservers);
    std::map<IpAddress, std::string> names;
    const Admit all = [&](const IpAddress& address, const std::string& foundAs) {
      names[address] = foundAs;
      return Result<void>{};
    };
    Task<Result<NameAddresses>> lookup =
        lookUp(resolver, name, config_.dial.prefer, all, in(config_.timeouts.connect));
    lookup.start([](void*) noexcept {}, nullptr);
    while (!lookup.done()) loop.turn();
    if (!lookup.result()) {
      out_ << "  its addresses are not known here: " << lookup.result().error().detail << '\n';
      return true;
    }
    bool any = false;
    for (const IpAddress& address : lookup.result()->addresses) {
      const std::string& foundAs = names[address];
      if (foundAs != name) out_ << "  found as " << foundAs << '\n';
      any = explainAddress(&name, address, foundAs) || any;
    }
    return any;
  }

  const Config& config_;
  const Question& question_;
  std::ostream& out_;
  OwnAddresses own_;
};

}  // namespace

int runExplainCommand(const Config& config, const std::vector<std::string>& arguments, std::ostream& out) {
  const auto wrong = [](const std::string& detail) {
    std::cerr << "crossgate explain: " << detail << '\n';
    return 2;
  };
  try {
    const auto given = po::command_line_parser(arguments).options(describe()).positional({}).run();
    if (has(given, "help")) {
      out << describe();
      return 0;
    }
    const auto question = read(given);
    if (!question) return wrong(question.error().detail);
    return Explanation(config, *question, out).explain() ? 0 : 1;
  } catch (const po::error& error) {
    return wrong(error.what());
  }
}

}  // namespace crossgate
