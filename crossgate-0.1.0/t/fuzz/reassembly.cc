// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the reassembly queue (RFC 1928, section 7) against the plainest model of it: all fragments so far in
// a list, searched anew at each step; and the size of a header against its decoder.
#include "gateway/reassembly.h"

#include <vector>

#include "gateway/destination_side.h"
#include "lib/socks5.h"
#include "t/fuzz/Fuzz.h"

using namespace crossgate;

namespace {

struct Step {
  unsigned position = 0;  // 0: a datagram that stands alone
  bool last = false;
  Octets header;
  Octets payload;
  Reassembly::Time at{};
};

Octets headerFor(bool other, std::uint8_t fragment) {
  Octets header{0, 0, fragment, 1, 192, 0, 2, 1, 0, static_cast<std::uint8_t>(other ? 8 : 7)};
  if (other) return header;
  return {0, 0, fragment, 3, 1, 'a', 0, 7};
}

// What the last of `steps` makes whole: the steps before it must be its sequence, one behind the other.
std::optional<Octets> expected(const std::vector<Step>& steps) {
  const Step& end = steps.back();
  if (!end.last || end.position == 0 || end.position > steps.size()) return std::nullopt;
  const Step* first = &steps[steps.size() - end.position];
  Octets whole = first->header;
  whole[2] = 0;
  for (unsigned i = 0; i < end.position; ++i) {
    const Step& step = first[i];
    Octets header = step.header;
    header[2] = first->header[2];
    const bool belongs = step.position == i + 1 && header == first->header &&
                         step.at < first->at + Reassembly::patience && (&step == &end || !step.last);
    if (!belongs) return std::nullopt;
    whole.insert(whole.end(), step.payload.begin(), step.payload.end());
  }
  if (whole.size() - first->header.size() > Reassembly::maxPayload) return std::nullopt;
  return whole;
}

void checkHeaderSize(OctetSpan datagram) {
  const std::size_t size = frameHeaderSize(datagram);
  ensure(size <= datagram.size());
  Reader reader(datagram);
  if (socks5::decodeUdpHeader(reader)) {
    ensure(size == reader.position());
  } else if (size > 0) {
    ensure(datagram[3] == 3);  // only a name can have a size and make no sense
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  checkHeaderSize({data, size});

  Reader in({data, size});
  Reassembly reassembly;
  std::vector<Step> steps;
  Reassembly::Time now{};
  // Enough to outgrow a datagram a few times; more would only be slow.
  constexpr std::size_t mostOctets = 300'000;
  std::size_t octets = 0;
  while (in.remaining() >= 3 && octets < mostOctets) {
    const std::uint8_t fragment = in.u8();
    const std::uint8_t how = in.u8();
    // The payload is given by its size, up to some 33,000 octets, so that a sequence can outgrow a datagram.
    const std::size_t payloadSize = std::size_t{in.u8()} << (how >> 5);
    octets += payloadSize;
    now += std::chrono::milliseconds((how & 0x0f) * 400);

    Step step;
    step.position = fragment & 0x7fU;
    step.last = (fragment & 0x80) != 0;
    step.header = headerFor((how & 0x10) != 0, fragment);
    step.payload.assign(payloadSize, static_cast<std::uint8_t>(steps.size()));
    step.at = now;
    steps.push_back(step);
    if (fragment == 0) {
      reassembly.interrupt();
      continue;
    }
    Octets datagram = step.header;
    datagram.insert(datagram.end(), step.payload.begin(), step.payload.end());
    const auto whole = reassembly.add(datagram, step.header.size(), now);
    const auto wanted = expected(steps);
    ensure(whole.has_value() == wanted.has_value());
    if (whole) ensure(Octets(whole->begin(), whole->end()) == *wanted);
    ensure(reassembly.held() <= 2 * (Reassembly::maxPayload + datagram.size()));
    ensure(reassembly.dropped() <= steps.size());
  }
  return 0;
}
