// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/name_lookup.h"

#include <algorithm>
#include <optional>

#include "gateway/address_order.h"

namespace crossgate {

Task<Result<NameAddresses>> lookUp(Resolver& resolver, std::string name, Preference prefer, Admit admit,
                                   Deadline deadline) {
  Signal changed(resolver.loop());
  const Lookup lookup(resolver, name, prefer != Preference::ipv6Only, prefer != Preference::ipv4Only,
                      changed);
  while (!lookup.done()) {
    if (co_await changed.wait(deadline) == Wake::timedOut) {
      co_return Error{Failure::timedOut, name + ": no answer of the name servers"};
    }
  }

  NameAddresses found;
  std::optional<int> ttl;
  std::optional<Error> denied;
  for (const Family family : {Family::ipv6, Family::ipv4}) {
    for (const ResolvedAddress& record : lookup.addresses(family)) {
      if (const auto admitted = admit(record.address, lookup.foundAs(family)); !admitted) {
        denied = admitted.error();
        continue;
      }
      found.addresses.push_back(record.address);
      ttl = std::min(ttl.value_or(record.ttlSeconds), record.ttlSeconds);
    }
  }
  if (found.addresses.empty()) co_return denied ? *denied : lookup.failure();
  found.ttl = std::chrono::seconds(std::max(*ttl, 0));
  orderAddresses(found.addresses, prefer == Preference::ipv4);
  co_return found;
}

}  // namespace crossgate
