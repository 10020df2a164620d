// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/bind.h"

#include <algorithm>
#include <cerrno>

#include "gateway/address_order.h"
#include "gateway/listener.h"
#include "gateway/socket_options.h"

namespace crossgate {
namespace {

class LocalRendezvous final : public Rendezvous {
 public:
  LocalRendezvous(BindSetting setting, std::vector<IpAddress> expected, Fd listener, Endpoint place)
      : setting_(std::move(setting)),
        expected_(std::move(expected)),
        listener_(setting_.resolver.loop(), std::move(listener)),
        place_(place) {}

  Destination place() const override { return {place_.address, place_.port}; }

  Task<Result<Connection>> peer(Deadline deadline) override {
    for (;;) {
      Accepted accepted = acceptClient(listener_.fd());
      if (accepted.fd) {
        if (isExpected(accepted.peer.address)) co_return welcome(std::move(accepted));
        resetOnClose(accepted.fd.get());
        setting_.onStranger(accepted.peer);
      } else if (accepted.error == EAGAIN) {
        listener_.blockedReading();
        if (co_await listener_.readable(deadline) == Wake::timedOut) {
          co_return Error{Failure::timedOut, "the expected peer did not come"};
        }
      } else {
        co_return systemError("accept", accepted.error);
      }
    }
  }

 private:
  bool isExpected(const IpAddress& from) const {
    // Of all zeros there is only one, and it stands for any peer.
    if (expected_.front().isUnspecified()) return setting_.admit(from, {}).has_value();
    return std::find(expected_.begin(), expected_.end(), from) != expected_.end();
  }

  Connection welcome(Accepted peer) {
    setRelayOptions(peer.fd.get(), true);
    const Endpoint local = localEndpoint(peer.fd.get()).value_or(place_);
    return {std::make_unique<PlainStream>(setting_.resolver.loop(), std::move(peer.fd)), peer.peer, local};
  }

  BindSetting setting_;
  std::vector<IpAddress> expected_;  // of one family
  Socket listener_;
  Endpoint place_;
};

// An address of ours that the peer can reach.
std::optional<IpAddress> addressTowards(const BindSetting& setting, const IpAddress& peer) {
  if (const auto& configured = setting.source.of(peer.family())) return configured;
  if (!peer.isUnspecified()) return kernelSource(peer);
  // Any peer: the way to the world (an address of the documentation, nothing is sent there), then to the
  // client.
  const IpAddress world = *IpAddress::parse(peer.isV4() ? "203.0.113.1" : "2001:db8:ffff::1");
  if (const auto source = kernelSource(world)) return source;
  if (setting.clientSide.family() == peer.family()) return setting.clientSide;
  return std::nullopt;
}

Result<std::unique_ptr<Rendezvous>> open(BindSetting setting, std::vector<IpAddress> expected) {
  // One address is told, so one family is served: that of the address to be preferred.
  const Family family = expected.front().family();
  std::erase_if(expected, [&](const IpAddress& address) { return address.family() != family; });

  const auto ours = addressTowards(setting, expected.front());
  if (!ours) {
    return Error{Failure::networkUnreachable,
                 std::string("no ") + toString(family) + " address of ours leads to the peer"};
  }
  auto listener = listenAt(*ours, setting.options.ports);
  if (!listener) return listener.error();
  const auto bound = localEndpoint(listener->get());
  if (!bound) return systemError("getsockname", errno);
  const Endpoint told{setting.options.advertise.of(family).value_or(bound->address), bound->port};
  return std::unique_ptr<Rendezvous>(
      std::make_unique<LocalRendezvous>(std::move(setting), std::move(expected), *std::move(listener), told));
}

}  // namespace

Task<Result<std::unique_ptr<Rendezvous>>> listenFor(BindSetting setting, Destination expected,
                                                    Deadline deadline) {
  std::vector<IpAddress> addresses;
  if (const IpAddress* literal = expected.address()) {
    addresses.push_back(literal->unmapped());
  } else {
    auto found = co_await lookUp(setting.resolver, std::get<std::string>(expected.host), setting.prefer,
                                 setting.admit, deadline);
    if (!found) co_return found.error();
    addresses = std::move(found->addresses);
  }
  co_return open(std::move(setting), std::move(addresses));
}

}  // namespace crossgate
