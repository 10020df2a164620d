// SPDX-License-Identifier: BSD-2-Clause
// A loopback port that never answers: what connects to it stays in SYN_SENT.
#pragma once

#include <optional>

#include "lib/address.h"

namespace crossgate::socksify {

/// The port of a listener of ours whose queue is full.  Made at the first call, and again after the
/// program has closed what it does not know.  Empty where there is no loopback of this family.
std::optional<Endpoint> silentPort(Family family) noexcept;

void lockSilentPorts() noexcept;
void unlockSilentPorts() noexcept;

}  // namespace crossgate::socksify
