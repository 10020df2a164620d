// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/mapping_table.h"

#include <algorithm>
#include <array>

namespace crossgate::socksify {
namespace {

constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto relaxed = std::memory_order_relaxed;

// FNV-1a: short, and good enough for names.
std::uint32_t hashOf(std::string_view name) noexcept {
  std::uint32_t hash = 2166136261U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

// The number in the last 32 bits of an address, and an address with another number there.
std::uint32_t lowWord(const IpAddress& address) noexcept {
  std::uint32_t word = 0;
  for (const std::uint8_t octet : address.octets().last<4>()) word = word << 8 | octet;
  return word;
}

IpAddress withLowWord(const IpAddress& address, std::uint32_t word) noexcept {
  std::array<std::uint8_t, 16> octets{};
  const auto all = address.octets();
  std::copy(all.begin(), all.end(), octets.begin());
  for (std::size_t i = all.size(); i > all.size() - 4; --i, word >>= 8) {
    octets[i - 1] = static_cast<std::uint8_t>(word);
  }
  return address.isV4() ? IpAddress::v4(std::span(octets).first<4>()) : IpAddress::v6(octets);
}

// How many low bits of the last word number the fakes of a range.
unsigned hostBits(const FakeRange& range) noexcept {
  return std::min((range.network.isV4() ? 32U : 128U) - range.bits, 31U);
}

}  // namespace

Result<FakeIp> MappingTable::assign(std::string_view name, Family family) {
  const std::string canonical = canonicalName(name);
  if (!isValidName(canonical)) return Error{Failure::invalid, "a name of no or more than 255 octets"};
  const std::uint32_t hash = hashOf(canonical);
  const std::uint32_t head = area_.bucket[hash % nameBuckets].load(acquire);
  std::uint32_t index = find(canonical, hash, head, 0);
  if (index == 0) index = add(canonical, hash);
  const auto fake = index == 0 ? std::nullopt : fakeOf(index, family);
  if (!fake) return Error{Failure::exhausted, "no fake address is left"};
  return *fake;
}

bool MappingTable::isFake(const IpAddress& address) const noexcept {
  const IpAddress plain = address.unmapped();
  // 0.0.0.0 is in the RFC's range but stands for the host itself, as :: does.
  return !plain.isUnspecified() && range(plain.family()).contains(plain);
}

std::optional<std::string> MappingTable::lookup(const IpAddress& address) const {
  if (!isFake(address)) return std::nullopt;
  const std::string_view name = nameOf(indexOf(address.unmapped()));
  if (name.empty()) return std::nullopt;
  return std::string(name);
}

// Walks a bucket from one index down to another; the count bounds it even if the memory is spoilt.
std::uint32_t MappingTable::find(std::string_view name, std::uint32_t hash, std::uint32_t from,
                                 std::uint32_t until) const noexcept {
  std::uint32_t index = from;
  for (std::uint32_t steps = 0; index != until && index != 0 && index < maxNames && steps < maxNames;
       ++steps) {
    const auto& entry = area_.entry[index];
    if (entry.hash.load(relaxed) == hash && nameOf(index) == name) return index;
    index = entry.next.load(acquire);
  }
  return 0;
}

// Writes the name where nobody looks yet, then publishes it at the head of its bucket.  When somebody
// else published first, what is new in the bucket is searched again, so that one name never has two
// fakes; the place written in vain stays unused.
std::uint32_t MappingTable::add(std::string_view name, std::uint32_t hash) noexcept {
  auto& bucket = area_.bucket[hash % nameBuckets];
  const auto length = static_cast<std::uint32_t>(name.size());
  if (area_.entriesUsed.load(relaxed) >= maxNames - 1 ||
      area_.octetsUsed.load(relaxed) >= nameOctets - length)
    return 0;
  const std::uint32_t index = area_.entriesUsed.fetch_add(1, relaxed) + 1;
  const std::uint32_t offset = area_.octetsUsed.fetch_add(length, relaxed);
  if (index >= maxNames || offset >= nameOctets - length) return 0;

  std::copy(name.begin(), name.end(), area_.octets + offset);
  auto& entry = area_.entry[index];
  entry.hash.store(hash, relaxed);
  entry.offset.store(offset, relaxed);
  entry.length.store(length, release);
  std::uint32_t searched = 0;
  for (std::uint32_t head = bucket.load(acquire);;) {
    if (const std::uint32_t other = find(name, hash, head, searched); other != 0) return other;
    searched = head;
    entry.next.store(head, release);
    if (bucket.compare_exchange_weak(head, index, release, acquire)) return index;
  }
}

std::string_view MappingTable::nameOf(std::uint32_t index) const noexcept {
  if (index == 0 || index >= maxNames) return {};
  const auto& entry = area_.entry[index];
  const std::uint32_t length = entry.length.load(acquire);
  const std::uint32_t offset = entry.offset.load(relaxed);
  if (length > maxNameOctets || offset > nameOctets - maxNameOctets) return {};
  return {area_.octets + offset, length};
}

std::optional<FakeIp> MappingTable::fakeOf(std::uint32_t index, Family family) const noexcept {
  const FakeRange& from = range(family);
  // The last address of an IPv4 range would be taken for a broadcast.
  if (index >= (1U << hostBits(from)) - 1) return std::nullopt;
  const std::uint32_t mask = (1U << hostBits(from)) - 1;
  return withLowWord(from.network, (lowWord(from.network) & ~mask) | index);
}

std::uint32_t MappingTable::indexOf(const FakeIp& fake) const noexcept {
  const FakeRange& from = range(fake.family());
  const std::uint32_t index = lowWord(fake) & ((1U << hostBits(from)) - 1);
  return fakeOf(index, fake.family()) == fake ? index : 0;
}

}  // namespace crossgate::socksify
