// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/own_addresses.h"

#include <ifaddrs.h>

#include <memory>

namespace crossgate {
namespace {

constexpr std::chrono::seconds freshness{5};

struct IfaddrsDeleter {
  void operator()(ifaddrs* list) const noexcept { freeifaddrs(list); }
};

}  // namespace

// Compared without the zone: fe80::1%eth0 and fe80::1 are the same host.
bool OwnAddresses::contains(const IpAddress& address) {
  const auto now = std::chrono::steady_clock::now();
  if (now >= freshUntil_) {
    refresh();
    freshUntil_ = now + freshness;
  }
  return addresses_.contains(address.unmapped().withoutZone());
}

// A list that can't be read leaves the one we have.
void OwnAddresses::refresh() {
  ifaddrs* raw = nullptr;
  if (getifaddrs(&raw) != 0) return;
  const std::unique_ptr<ifaddrs, IfaddrsDeleter> list(raw);
  addresses_.clear();
  for (const ifaddrs* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
    const auto endpoint = Endpoint::from(entry->ifa_addr, sizeof(sockaddr_in6));
    if (endpoint) addresses_.insert(endpoint->address.withoutZone());
  }
}

}  // namespace crossgate
