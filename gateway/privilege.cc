// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/privilege.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "gateway/process.h"

namespace crossgate {
namespace {

Result<void> setCapabilities(std::uint64_t mask) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
  for (std::size_t i = 0; i < data.size(); ++i) {
    const auto part = static_cast<std::uint32_t>(mask >> (32 * i));
    data[i] = {part, part, 0};
  }
  if (syscall(SYS_capset, &header, data.data()) != 0) return systemError("capset", errno);
  return {};
}

std::uint64_t permittedCapabilities() noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
  if (syscall(SYS_capget, &header, data.data()) != 0) return 0;
  std::uint64_t mask = 0;
  for (std::size_t i = 0; i < data.size(); ++i) mask |= std::uint64_t{data[i].permitted} << (32 * i);
  return mask;
}

}  // namespace

void hideMemory() noexcept {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

Result<void> keepOnlyCapabilities(std::initializer_list<unsigned> kept) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return systemError("no_new_privs", errno);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  std::uint64_t mask = 0;
  for (const unsigned capability : kept) mask |= std::uint64_t{1} << capability;
  // Who has no privilege has no right to empty the bounding set, and nothing to gain from it either.
  for (unsigned capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
  // Root of a container may have less than all.
  return setCapabilities(geteuid() == 0 ? mask & permittedCapabilities() : 0);
}

Result<void> dropPrivileges(const std::optional<SystemUser>& user) {
  hideMemory();
  if (geteuid() != 0 || !user) return keepOnlyCapabilities({});
  // The change of the user drops these, which it takes itself.
  if (auto kept = keepOnlyCapabilities({CAP_SETUID, CAP_SETGID}); !kept) return kept;
  if (auto became = become(*user); !became) return became;
  hideMemory();  // the change of the user has made it visible again
  return {};
}

void limitMemory(std::size_t octets) noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max = std::min<rlim_t>(limit.rlim_max, octets);
  setrlimit(RLIMIT_AS, &limit);
}

}  // namespace crossgate
