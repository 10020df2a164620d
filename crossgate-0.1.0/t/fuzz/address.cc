// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes addresses, endpoints and destinations, as texts and as sockaddr: what is taken is written
// back as something that is taken as the same.
#include "lib/address.h"

#include <algorithm>

#include "t/fuzz/Fuzz.h"

using namespace crossgate;

namespace {

void checkAddress(const IpAddress& address) {
  ensure(IpAddress::parse(address.toString()) == address);
  const auto bits = static_cast<unsigned>(address.octets().size()) * 8;
  ensure(address.within(address, bits) && address.within(IpAddress::any(address.family()), 0));
  ensure(address.unmapped().mapped().unmapped() == address.unmapped());
  if (address.isV4()) ensure(address.mapped().embeddedV4() == address);
  ensure(!address.isUnspecified() ||
         !(address.isLoopback() || address.isLinkLocal() || address.isMulticast()));
}

void checkEndpoint(const Endpoint& endpoint) {
  ensure(Endpoint::parse(endpoint.toString()) == endpoint);
  sockaddr_storage storage;
  const socklen_t length = endpoint.toSockaddr(storage);
  ensure(Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), length) == endpoint);
  checkAddress(endpoint.address);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  if (const auto address = IpAddress::parse(text)) checkAddress(*address);
  if (const auto endpoint = Endpoint::parse(text)) checkEndpoint(*endpoint);
  if (const auto destination = Destination::parse(text)) {
    const auto again = Destination::parse(destination->toString());
    ensure(again && *again == *destination);
    if (destination->name() != nullptr) ensure(isValidName(*destination->name()));
  }
  const std::string canonical = canonicalName(text);
  ensure(canonical.size() <= text.size());

  sockaddr_storage storage{};
  const std::size_t length = std::min(size, sizeof storage);
  std::copy_n(data, length, reinterpret_cast<std::uint8_t*>(&storage));
  const auto* address = reinterpret_cast<const sockaddr*>(&storage);
  const auto endpoint = Endpoint::from(address, static_cast<socklen_t>(length));
  // Of an IPv4 address there is no zone, and of a zone no text when it is zero.
  if (endpoint) checkEndpoint(*endpoint);
  return 0;
}
