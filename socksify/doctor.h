// SPDX-License-Identifier: BSD-2-Clause
// socksify --doctor: what works between here and the Gateway, a line per step, up to a connection.
#pragma once

namespace crossgate::socksify {

/// `crossgate` is the program that a private gateway is; `target` a HOST:PORT.  The exit code.
int doctor(const char* crossgate, const char* target);

}  // namespace crossgate::socksify
