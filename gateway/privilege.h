// SPDX-License-Identifier: BSD-2-Clause
// What a process gives up for good before it meets a client: capabilities, gains by exec, core dumps,
// the eyes of other processes of its user.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>

#include "gateway/system_user.h"
#include "lib/result.h"

namespace crossgate {

/// No core dump, and no ptrace or /proc/PID/mem by others of the same user: there may be keys and
/// passwords in this memory.
void hideMemory() noexcept;

/// Keeps only these capabilities (numbers of linux/capability.h), and can gain none by exec any more
/// (no_new_privs, and an empty bounding set).  To be called before the user is changed, which drops
/// the rest.
Result<void> keepOnlyCapabilities(std::initializer_list<unsigned> kept);

/// Becomes `user` where this is root's process and there is one, and gives up every capability.
Result<void> dropPrivileges(const std::optional<SystemUser>& user);

/// The most memory a process may map, in octets.
void limitMemory(std::size_t octets) noexcept;

}  // namespace crossgate
