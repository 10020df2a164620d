// SPDX-License-Identifier: BSD-2-Clause
// What every fuzz target checks of a decoder beyond "it does not crash".  A target ends the process
// (ensure) where an invariant does not hold, which libFuzzer reports with the input.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lib/invariant.h"
#include "lib/octets.h"

namespace crossgate::fuzz {

template <class Message>
Octets encoded(const Message& message) {
  Octets out;
  encode(message, out);
  return out;
}

/// Decodes the front of `input` and checks that
/// - nothing is taken unless the message is complete, and never more than there is;
/// - the octets taken suffice, and no shorter prefix is complete or refused;
/// - what was decoded, encoded and decoded again, is the same message;
/// - and that its octets are those that were read, where `isCanonical(message, octets)` says that
///   the message has no other way to be written.
template <class T, class IsCanonical>
std::optional<T> checkDecoder(Decoded<T> (*decode)(Reader&), OctetSpan input, IsCanonical isCanonical) {
  Reader reader(input);
  const Decoded<T> result = decode(reader);
  const std::size_t taken = reader.position();
  ensure(taken <= input.size());
  if (!result || !*result) {
    ensure(taken == 0);
    return std::nullopt;
  }

  const OctetSpan whole = input.first(taken);
  Reader exact(whole);
  const auto again = decode(exact);
  ensure(again && *again && exact.position() == taken);
  // A long token has many prefixes that are alike.
  const std::size_t step = taken / 64 + 1;
  for (std::size_t size = 0; size < taken; size += step) {
    Reader prefix(whole.first(size));
    const auto part = decode(prefix);
    ensure(part && !*part && prefix.position() == 0);
  }

  const Octets out = encoded(**result);
  Reader echo(out);
  const auto copy = decode(echo);
  ensure(copy && *copy && echo.position() == out.size());
  ensure(encoded(**copy) == out);
  if (isCanonical(**result, whole)) ensure(out == Octets(whole.begin(), whole.end()));
  return **result;
}

inline constexpr auto always = [](const auto&, OctetSpan) { return true; };
inline constexpr auto never = [](const auto&, OctetSpan) { return false; };

}  // namespace crossgate::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
