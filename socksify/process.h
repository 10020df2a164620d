// SPDX-License-Identifier: BSD-2-Clause
// Which process this is.
#pragma once

namespace crossgate::socksify {

/// True in a child of vfork(), which runs in its parent's memory: what it does to its descriptors must
/// not change what is remembered of the parent's.
bool inVforkChild() noexcept;

/// What has to be done once, when the library is loaded, and in the child after each fork().
void noteProcess() noexcept;

}  // namespace crossgate::socksify
