// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/outbound.h"

#include <algorithm>

#include "gateway/bind.h"
#include "gateway/dial.h"
#include "gateway/resolve.h"

namespace crossgate {
namespace {

// After these another address of the same name may do better.
bool isOfOneAddress(Failure failure) {
  return failure == Failure::refused || failure == Failure::hostUnreachable ||
         failure == Failure::networkUnreachable || failure == Failure::timedOut;
}

bool isOurs(const Services& services, const Endpoint& endpoint) {
  const auto& listeners = services.config.listeners;
  return std::any_of(listeners.begin(), listeners.end(), [&](const ListenerConfig& listener) {
    const IpAddress& at = listener.endpoint.address;
    return listener.endpoint.port == endpoint.port &&
           (at == endpoint.address || (at.isUnspecified() && services.ownAddresses.contains(endpoint.address)));
  });
}

}  // namespace

Outbound::Outbound(Services& services, const Authorization& asked, Passenger passenger)
    : services_(services),
      asked_(asked),
      route_(asked.command == Command::udp
                 ? services.config.routes.findForAll(asked.subject, asked.command)
                 : services.config.routes.find(asked.subject, asked.command, asked.destination)) {
  const bool answeredHere = route_ != nullptr && route_->resolveHere && asked.command == Command::resolve;
  if (route_ == nullptr || route_->isDirect() || answeredHere) return;
  chain_ = std::make_unique<Chain>(chainSetting(std::move(passenger)), *route_);
}

ChainSetting Outbound::chainSetting(Passenger passenger) {
  return {services_.resolver,
          services_.config.dial,
          services_.config.route,
          *services_.config.secrets,
          services_.hops,
          services_.gssClientDesk,
          services_.log,
          asked_.relay,
          [&services = services_](const Endpoint& endpoint) { return isOurs(services, endpoint); },
          std::move(passenger.login),
          passenger.passedGateways};
}

Result<void> Outbound::authorize() const {
  // What an association asks for is known datagram by datagram.
  if (asked_.command == Command::udp) return authorizeCommand(asked_);
  if (chain_ && !route_->resolveHere) return authorizeDelegated(asked_);
  return crossgate::authorize(asked_);
}

Task<Result<Connection>> Outbound::connect(Deadline deadline) {
  const Config& config = services_.config;
  if (!chain_) {
    auto dialled =
        co_await dial(services_.resolver, config.dial, asked_.destination, admission(asked_), deadline);
    if (dialled) settle(asked_, dialled->peer.address);
    co_return dialled;
  }
  if (route_->resolveHere && asked_.destination.name() != nullptr)
    co_return co_await connectToResolved(deadline);
  co_return co_await chain_->connect(asked_.destination, deadline);
}

// What the rules permit of the name that is asked for.
Task<Result<NameAddresses>> Outbound::lookUpHere(Deadline deadline) {
  return lookUp(services_.resolver, std::get<std::string>(asked_.destination.host), services_.config.dial.prefer,
                admission(asked_), deadline);
}

// The last hop gets the addresses of the name, one after the other.
Task<Result<Connection>> Outbound::connectToResolved(Deadline deadline) {
  const auto found = co_await lookUpHere(deadline);
  if (!found) co_return found.error();
  Error last;
  for (const IpAddress& address : found->addresses) {
    Destination destination{address, asked_.destination.port};
    auto connected = co_await chain_->connect(std::move(destination), deadline);
    if (connected) settle(asked_, address);
    if (connected || !isOfOneAddress(connected.error().failure)) co_return connected;
    last = connected.error();
    if (Clock::now() >= deadline) break;
  }
  co_return last;
}

Task<Result<std::unique_ptr<Rendezvous>>> Outbound::listen(IpAddress clientSide,
                                                           std::function<void(const Endpoint&)> onStranger,
                                                           Deadline deadline) {
  const Config& config = services_.config;
  if (chain_) {
    Destination expected = asked_.destination;
    if (route_->resolveHere && expected.name() != nullptr) {
      const auto found = co_await lookUpHere(deadline);
      if (!found) co_return found.error();
      expected.host = found->addresses.front();
      settle(asked_, found->addresses.front());
    }
    co_return co_await chain_->listen(std::move(expected), deadline);
  }
  BindSetting setting{services_.resolver,
                      config.bind,
                      config.dial.prefer,
                      {config.dial.sourceV4, config.dial.sourceV6},
                      clientSide,
                      admission(asked_),
                      std::move(onStranger)};
  co_return co_await listenFor(std::move(setting), asked_.destination, deadline);
}

Task<Result<Destination>> Outbound::resolve(bool reverse, Preference prefer, Deadline deadline) {
  if (chain_) {
    socks5::Request request{reverse ? socks5::Command::resolvePtr : socks5::Command::resolve,
                            asked_.destination};
    co_return co_await chain_->resolve(std::move(request), deadline);
  }
  if (reverse) co_return co_await resolveReverse(services_.resolver, asked_.destination, deadline);
  co_return co_await crossgate::resolve(services_.resolver, prefer, asked_.destination, admission(asked_),
                                        deadline);
}

Task<Result<std::unique_ptr<DestinationSide>>> Outbound::associate(DatagramCounts& counts,
                                                                     Deadline deadline) {
  if (chain_) {
    auto held = co_await chain_->associate(deadline);
    if (!held) co_return held.error();
    const AddressPair source{services_.config.dial.sourceV4, services_.config.dial.sourceV6};
    ChainDatagrams::Permit permit = [this](const Destination& to) { return permitDatagrams(to); };
    auto opened = ChainDatagrams::open(services_.loop, *std::move(held), source, std::move(permit), counts);
    if (!opened) co_return opened.error();
    co_return std::unique_ptr<DestinationSide>(*std::move(opened));
  }
  co_return std::unique_ptr<DestinationSide>(std::make_unique<DirectDatagrams>(datagramSetting(), counts));
}

// All datagrams of an association go one way; what the routes would send another way is refused.
Result<void> Outbound::permitDatagrams(const Destination& destination) const {
  const Route* route = services_.config.routes.find(asked_.subject, Command::udp, destination);
  const bool direct = route == nullptr || route->isDirect();
  if (chain_ ? route != route_ : !direct)
    return Error{Failure::denied, destination.toString() + " has another route than its association"};
  if (chain_ && route_->resolveHere && destination.name() != nullptr)
    return Error{Failure::denied, "names of datagrams are not resolved here (resolve here)"};
  Authorization asked = asked_;
  asked.destination = destination;
  return chain_ ? authorizeDelegated(asked) : crossgate::authorize(asked);
}

DatagramSetting Outbound::datagramSetting() {
  const Config& config = services_.config;
  const auto about = [this](const Destination& destination) {
    Authorization asked = asked_;
    asked.destination = destination;
    return asked;
  };
  return {services_.resolver,
          config.dial.prefer,
          {config.dial.sourceV4, config.dial.sourceV6},
          config.datagramPeers,
          [this](const Destination& destination) { return permitDatagrams(destination); },
          [about](const Destination& destination, const IpAddress& address, const std::string& foundAs) {
            return admission(about(destination))(address, foundAs);
          }};
}

}  // namespace crossgate
