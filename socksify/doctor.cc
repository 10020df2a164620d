// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/doctor.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "socksify/ask_gateway.h"
#include "socksify/config.h"
#include "socksify/private_gateway.h"
#include "socksify/socks_lib.h"

namespace crossgate::socksify {
namespace {

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

// The private gateway, where there has to be one, or the Gateway itself: false when nobody is there.
bool checkGateway(const char* crossgate, const Config& config, std::optional<PrivateGateway>& between) {
  if (!config.needsPrivateGateway()) return checkWay(config);
  auto started = PrivateGateway::start(crossgate, privateConfig(config, ::geteuid()));
  if (!reportStep(started.has_value(),
                  "private gateway to " + config.gatewayHost + (started ? "" : ": " + started.error().detail)))
    return false;
  between.emplace(*std::move(started));
  announcePrivateGateway(between->port());
  return true;
}

std::string userOf(const Config& config) {
  return config.credentials ? "user " + config.credentials->user : "no user";
}

// What the Gateway wanted to know of us, and whether it was content.
bool checkAuthentication(const Config& config, const GatewayLink* link, const Result<socks5::Reply>& reply) {
  const std::string what = "authentication: ";
  if (link == nullptr) return reportStep(false, what + reply.error().detail);
  const auto method = link->method();
  if (link->isAdmitted() && method == socks5::Method::userpass)
    return reportStep(true, what + userOf(config) + " is let in by user name and password");
  if (link->isAdmitted())
    return reportStep(true, what + "the gateway asks for none" +
                                (config.credentials ? ", and is not told of " + userOf(config) : ""));
  const bool unnamed = method == socks5::Method::noAcceptable && !config.credentials;
  return reportStep(false, what + userOf(config) + ": " + (method ? reply.error().detail : explain(reply.error())) +
                               (unnamed ? " (give a user by -u or in the config)" : ""));
}

// The private gateway has answered for us; that it reached the destination shows that it was let in.
void reportPrivateAuthentication(const Config& config) {
  reportStep(true, "authentication: " + (config.gssapi ? "your ticket is" : userOf(config) + " is") + " good");
}

void checkName(const std::string& name, const Result<socks5::Reply>& reply, PrivateGateway* between) {
  const bool unable = !reply && reply.error().failure == Failure::unsupportedCommand;
  reportStep(reply.has_value() || unable,
             "name " + name +
                 (reply    ? " is " + reply->bound.hostText()
                  : unable ? ": the gateway can't tell names alone, which does not matter"
                           : ": " + explain(reply.error()) + lastComplaint(between)));
}

}  // namespace

int doctor(const char* crossgate, const char* target) {
  auto config = loadConfig();
  if (!reportStep(config.has_value(), "config" + (config ? "" : ": " + config.error().detail))) return 1;
  if (!reportStep(!config->gatewayHost.empty(), "a gateway is given")) return 1;
  const auto destination = Destination::parse(target);
  if (!destination) return reportStep(false, destination.error().detail) ? 0 : 1;
  std::optional<PrivateGateway> gateway;
  if (!checkGateway(crossgate, *config, gateway)) return 1;
  PrivateGateway* between = gateway ? &*gateway : nullptr;

  const std::string* name = destination->name();
  const socks5::Request connection{socks5::Command::connect, *destination};
  std::unique_ptr<GatewayLink> link;
  auto reply = askGateway(name == nullptr ? connection : socks5::Request{socks5::Command::resolve, {*name, 0}},
                          nullptr, &link);
  if (between == nullptr && !checkAuthentication(*config, link.get(), reply)) return 1;
  if (name != nullptr) {
    checkName(*name, reply, between);
    reply = askGateway(connection);
  }
  if (between != nullptr && reply) reportPrivateAuthentication(*config);
  return reportStep(reply.has_value(),
                    "connection to " + destination->toString() + " through the gateway" +
                        (reply ? "" : ": " + explain(reply.error()) + lastComplaint(between)))
             ? 0
             : 1;
}

}  // namespace crossgate::socksify
