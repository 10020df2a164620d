// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the texts of patterns and time windows: what is taken means something, and refusals say why.
#include "lib/pattern.h"

#include "t/fuzz/Fuzz.h"

using namespace crossgate;

namespace {

const std::string names[] = {"example.org", "www.example.org", "localhost", "a"};
const char* const addresses[] = {"192.0.2.1", "10.0.0.1", "::1", "2001:db8::1", "::ffff:10.0.0.1"};

void checkMatch(const Pattern& pattern, const std::string* name, const IpAddress* address) {
  for (const std::uint16_t port : {std::uint16_t{0}, std::uint16_t{80}, std::uint16_t{65535}}) {
    const Match match = pattern.match(name, address, port);
    if (match == Match::name) ensure(name != nullptr && pattern.hasNames());
    if (match == Match::address) ensure(address != nullptr && pattern.hasAddresses());
    if (name == nullptr) continue;
    // The form of the name plays no part.
    const std::string other = canonicalName(*name) + ".";
    ensure(pattern.match(&other, address, port) == match);
  }
}

void checkPattern(const std::string& text) {
  const auto pattern = Pattern::parse(text);
  if (!pattern) {
    ensure(pattern.error().failure == Failure::invalid && !pattern.error().detail.empty());
    return;
  }
  ensure(pattern->text() == text);
  for (const std::string& name : names) checkMatch(*pattern, &name, nullptr);
  for (const char* literal : addresses) {
    const IpAddress address = *IpAddress::parse(literal);
    checkMatch(*pattern, nullptr, &address);
    checkMatch(*pattern, &names[0], &address);
    const IpAddress mapped = address.mapped();
    ensure(pattern->match(nullptr, &address, 80) == pattern->match(nullptr, &mapped, 80));
  }
  const auto wider = Pattern::parse(text + ",*");
  ensure(wider && wider->match(nullptr, nullptr, 1) == Match::any);
  ensure(pattern->match(nullptr, nullptr, 1) <= Match::any);
}

bool isOpenSometime(const TimeWindow& window) {
  std::tm local{};
  for (local.tm_wday = 0; local.tm_wday < 7; ++local.tm_wday) {
    for (local.tm_hour = 0; local.tm_hour < 24; ++local.tm_hour) {
      for (local.tm_min = 0; local.tm_min < 60; ++local.tm_min) {
        if (window.contains(local)) return true;
      }
    }
  }
  return false;
}

void checkWindow(const std::string& text) {
  const auto window = TimeWindow::parse(text);
  if (!window) {
    ensure(window.error().failure == Failure::invalid && !window.error().detail.empty());
    return;
  }
  ensure(window->text() == text && isOpenSometime(*window));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  checkPattern(text);
  checkWindow(text);
  return 0;
}
