// SPDX-License-Identifier: BSD-2-Clause
// Servers' calls: when a program that listens means to be reached through the Gateway (RFC 1928, BIND).
#pragma once

namespace crossgate::socksify {

/// getsockname() of a socket that may be such a one: from now on it shows where the Gateway listens.
void meetAtGateway(int fd) noexcept;

}  // namespace crossgate::socksify
