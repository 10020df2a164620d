// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes what a client sends to the Gateway: greeting, credentials and request.
#include "lib/socks5.h"
#include "t/fuzz/Fuzz.h"

using namespace crossgate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const OctetSpan input(data, size);
  const auto greeting = fuzz::checkDecoder<socks5::Greeting>(socks5::decodeGreeting, input, fuzz::always);
  if (greeting) ensure(!greeting->methods.empty());

  const auto credentials =
      fuzz::checkDecoder<socks5::Credentials>(socks5::decodeCredentials, input, fuzz::always);
  if (credentials) ensure(!credentials->user.empty());

  // The reserved octet is not kept, and a literal sent as a name becomes an address.
  const auto isCanonical = [](const socks5::Request& request, OctetSpan octets) {
    return octets[2] == 0 && (octets[3] != 3 || request.destination.name() != nullptr);
  };
  const auto request = fuzz::checkDecoder<socks5::Request>(socks5::decodeRequest, input, isCanonical);
  if (request && request->destination.name() != nullptr) ensure(isValidName(*request->destination.name()));
  return 0;
}
