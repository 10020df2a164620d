// SPDX-License-Identifier: BSD-2-Clause
// Which process this is.
#pragma once

namespace crossgate::socksify {

/// True in a child of vfork(), which runs in its parent's memory: what it does to its descriptors must
/// not change what is remembered of the parent's.
bool inVforkChild() noexcept;

/// What has to be done once, when the library is loaded, and in the child after each fork().
void noteProcess() noexcept;

/// What has to be done in a child that was made past the handlers of fork() (_Fork, clone), before anything
/// that the parent's threads may have locked is used there.
void meetOwnProcess() noexcept;

/// Our variables of the environment as they were when the library was loaded, for children whose
/// environment was built anew: null-terminated, "NAME=value".
const char* const* ownVariables() noexcept;

}  // namespace crossgate::socksify
