// SPDX-License-Identifier: BSD-2-Clause
// Result<T>: a value, or the Error that explains its absence.
//
// Every failure that is expected (a peer that breaks the protocol, a name that does not exist, a
// full table) travels as a Result; exceptions are left to start-up.  The member names are those of
// std::expected, which may replace this file one day.
#pragma once

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

namespace crossgate {

/// What went wrong, coarse enough to choose a SOCKS reply (RFC 1928, section 6) or an errno by.
enum class Failure {
  general,             ///< nothing below fits
  malformed,           ///< the peer broke the protocol
  denied,              ///< a rule, or an authentication, said no
  networkUnreachable,  ///< no route to the network
  hostUnreachable,     ///< no route to the host
  noSuchName,          ///< the name has no address
  refused,             ///< the destination refused the connection
  timedOut,            ///< a deadline passed
  unsupportedCommand,  ///< the command is unknown, or not possible on this route
  unsupportedAddress,  ///< the address type is unknown
  peerGone,            ///< the other side of the conversation left
  noCredentials,       ///< we have nothing to show to who wants to know who we are
  exhausted,           ///< descriptors, memory or another resource ran out
  invalid,             ///< a text given by the administrator makes no sense
};

/// The name of a failure as it stands in the log's `result` field.
const char* toString(Failure failure) noexcept;

/// The failure that an errno of connect(2), socket(2) or read(2) stands for.
Failure failureOfErrno(int error) noexcept;

struct Error {
  Failure failure = Failure::general;
  std::string detail;  ///< for people; never holds a credential or payload
};

/// An Error from an errno: "connect: Connection refused".
Error systemError(const char* what, int error);

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & { return need<0>(); }
  const T& value() const& { return const_cast<Result*>(this)->need<0>(); }
  T&& value() && { return std::move(need<0>()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(need<0>()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const { return const_cast<Result*>(this)->need<1>(); }
  T value_or(T other) const& { return has_value() ? value() : std::move(other); }

 private:
  // Asking for what is not there is our own mistake, never the peer's: end the process at once.
  template <std::size_t I>
  auto& need() {
    auto* held = std::get_if<I>(&state_);
    if (held == nullptr) std::abort();
    return *held;
  }

  std::variant<T, Error> state_;
};

/// Success without a value.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}

  bool has_value() const noexcept { return ok_; }
  explicit operator bool() const noexcept { return ok_; }
  const Error& error() const {
    if (ok_) std::abort();
    return error_;
  }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace crossgate
