// SPDX-License-Identifier: BSD-2-Clause
// The host's own file of names.  A name that is not in it would be asked of a name server by the C
// library, and that must not happen here.
#pragma once

#include <string>

namespace crossgate::socksify {

/// True when /etc/hosts has an address for `name`, which is in its canonical form.
bool isInHostsFile(const std::string& name);

}  // namespace crossgate::socksify
