// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/resolve.h"

#include <algorithm>

namespace crossgate {

Task<Result<Destination>> resolve(Resolver& resolver, Preference prefer, Destination asked, Admit admit,
                                  Deadline deadline) {
  if (asked.address() != nullptr) co_return asked;
  const auto found =
      co_await lookUp(resolver, std::get<std::string>(asked.host), prefer, std::move(admit), deadline);
  if (!found) co_return found.error();
  const auto& addresses = found->addresses;
  const auto ipv4 =
      std::find_if(addresses.begin(), addresses.end(), [](const IpAddress& a) { return a.isV4(); });
  co_return Destination{ipv4 != addresses.end() ? *ipv4 : addresses.front(), asked.port};
}

Task<Result<Destination>> resolveReverse(Resolver& resolver, Destination asked, Deadline deadline) {
  const IpAddress* address = asked.address();
  if (address == nullptr) {
    co_return Error{Failure::unsupportedAddress, asked.hostText() + " is not an address"};
  }
  Signal answered(resolver.loop());
  const ReverseLookup lookup(resolver, address->unmapped(), answered);
  while (!lookup.done()) {
    if (co_await answered.wait(deadline) == Wake::timedOut) {
      co_return Error{Failure::timedOut, asked.hostText() + ": no answer of the name servers"};
    }
  }
  if (lookup.name().empty()) co_return lookup.failure();
  co_return Destination{lookup.name(), asked.port};
}

}  // namespace crossgate
