// SPDX-License-Identifier: BSD-2-Clause
// Reader and Writer: bounds-checked access to the octets of a message, network byte order.
//
// A message may arrive in any number of pieces, so a decoder has three outcomes: complete,
// incomplete (come back with more) and malformed (no continuation can mend it).  Decoded<T> says
// which: a value that holds a T, a value that is empty, or an Error.  A decoder moves its Reader
// only when it is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/invariant.h"
#include "lib/result.h"

namespace crossgate {

using Octets = std::vector<std::uint8_t>;
using OctetSpan = std::span<const std::uint8_t>;

/// The same octets, to be looked at as text.
inline std::string_view textOf(OctetSpan octets) noexcept {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

template <class T>
using Decoded = Result<std::optional<T>>;

inline Error malformed(std::string detail) { return {Failure::malformed, std::move(detail)}; }

/// Reads from the front of a span.  Once a read runs past the end every later read gives zeros and
/// ok() stays false, so that a decoder reads all its fields and checks once.
class Reader {
 public:
  explicit Reader(OctetSpan data) noexcept : data_(data) {}

  bool ok() const noexcept { return ok_; }
  std::size_t position() const noexcept { return position_; }
  std::size_t remaining() const noexcept { return data_.size() - position_; }

  std::uint8_t u8() noexcept {
    const OctetSpan octets = take(1);
    return octets.empty() ? std::uint8_t{0} : octets[0];
  }
  std::uint16_t u16() noexcept {
    const OctetSpan octets = take(2);
    return octets.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(octets[0] << 8 | octets[1]);
  }
  /// `count` octets, or an empty span when there are not that many.
  OctetSpan take(std::size_t count) noexcept {
    if (!ok_ || count > remaining()) {
      ok_ = false;
      return {};
    }
    const OctetSpan octets = data_.subspan(position_, count);
    position_ += count;
    return octets;
  }
  std::string text(std::size_t count) {
    const OctetSpan octets = take(count);
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
  }
  /// All that is left.
  OctetSpan rest() noexcept { return take(remaining()); }

 private:
  OctetSpan data_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

/// Runs `parse`, which returns a Decoded<T> and may leave its Reader run out, on a copy of `in`, and
/// moves `in` only when the message was complete.
template <class T, class Parse>
Decoded<T> decodeWhole(Reader& in, Parse parse) {
  Reader copy = in;
  Decoded<T> result = parse(copy);
  if (!result) return result;
  if (!copy.ok()) return std::optional<T>{};
  in = copy;
  return result;
}

/// Appends to a vector of octets.
class Writer {
 public:
  explicit Writer(Octets& out) noexcept : out_(out) {}

  Writer& u8(std::uint8_t value) {
    out_.push_back(value);
    return *this;
  }
  Writer& u16(std::uint16_t value) {
    return u8(static_cast<std::uint8_t>(value >> 8)).u8(static_cast<std::uint8_t>(value & 0xff));
  }
  /// One octet of length and the text, which must fit: checking that is the caller's part.
  Writer& text8(std::string_view data) {
    ensure(data.size() <= 0xff);
    return u8(static_cast<std::uint8_t>(data.size())).text(data);
  }
  Writer& octets(OctetSpan data) {
    out_.insert(out_.end(), data.begin(), data.end());
    return *this;
  }
  Writer& text(std::string_view data) {
    out_.insert(out_.end(), data.begin(), data.end());
    return *this;
  }

 private:
  Octets& out_;
};

}  // namespace crossgate
