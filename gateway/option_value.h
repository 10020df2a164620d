// SPDX-License-Identifier: BSD-2-Clause
// How the text of an option becomes a value of the Config: one function for each kind, and for each option that is a
// kind of its own.  The rows of the option table are made of them.
//
// An Error says what is wrong with the text; who reads the configuration adds file, line and key.
#pragma once

#include <chrono>
#include <utility>
#include <vector>

#include "gateway/config.h"

namespace crossgate {

using Assign = std::function<Result<void>(Config&, const Given&)>;

/// Failure::invalid.
Error invalid(std::string detail);
Result<unsigned> parseNumber(const std::string& text, unsigned low, unsigned high);

// ---- what has a kind in common; `member` picks the place in the Config ----

inline constexpr unsigned week = 7 * 24 * 3600;

template <class Member>
Assign number(Member member, unsigned low, unsigned high) {
  return [=](Config& config, const Given& given) -> Result<void> {
    const auto value = parseNumber(given.value, low, high);
    if (!value) return value.error();
    member(config) = *value;
    return {};
  };
}

template <class Member>
Assign seconds(Member member, unsigned low = 1, unsigned high = week) {
  return [=](Config& config, const Given& given) -> Result<void> {
    const auto value = parseNumber(given.value, low, high);
    if (!value) return value.error();
    member(config) = std::chrono::seconds(*value);
    return {};
  };
}

template <class Member>
Assign text(Member member) {
  return [=](Config& config, const Given& given) -> Result<void> {
    member(config) = given.value;
    return {};
  };
}

template <class T, class Member>
Assign choice(std::vector<std::pair<std::string, T>> choices, Member member) {
  return [=](Config& config, const Given& given) -> Result<void> {
    std::string names;
    for (const auto& [name, value] : choices) {
      if (name == given.value) {
        member(config) = value;
        return {};
      }
      names += (names.empty() ? "" : ", ") + name;
    }
    return invalid("'" + given.value + "' is none of " + names);
  };
}

template <class Member>
Assign yesNo(Member member) {
  return choice<bool>({{"yes", true}, {"no", false}}, member);
}

template <class Member>
Assign ports(Member member) {
  return [=](Config& config, const Given& given) -> Result<void> {
    const auto range = PortRange::parse(given.value);
    if (!range) return invalid("'" + given.value + "' is not LOW-HIGH, from 1 to 65535");
    member(config) = *range;
    return {};
  };
}

template <class Member>
Assign addressPair(Member member) {
  return [=](Config& config, const Given& given) -> Result<void> {
    const auto address = IpAddress::parse(given.value);
    if (!address || address->isUnspecified())
      return invalid("'" + given.value + "' is not the address of a host");
    auto& place = member(config).of(address->family());
    if (place) return invalid("a second " + std::string(toString(address->family())) + " address");
    place = *address;
    return {};
  };
}

// ---- what is a kind of its own ----

/// `listen.socks` and `listen.tls`.
Assign addListener(bool tls);
Result<void> assignGssLevels(Config& config, const Given& given);
Result<void> addMethodRule(Config& config, const Given& given);
Result<void> addRule(Config& config, const Given& given);
Result<void> addGroup(Config& config, const Given& given);
Result<void> addRoute(Config& config, const Given& given);
Result<void> addNameserver(Config& config, const Given& given);
Result<void> addExternal(Config& config, const Given& given);

}  // namespace crossgate
