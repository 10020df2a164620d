// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/system_user.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>

namespace crossgate {

Result<SystemUser> findSystemUser(const std::string& user) {
  errno = 0;
  const passwd* entry = getpwnam(user.c_str());
  if (entry == nullptr) return Error{Failure::invalid, "there is no user '" + user + "'"};
  SystemUser found{user, entry->pw_uid, entry->pw_gid, {}};
  int count = 64;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  if (getgrouplist(user.c_str(), entry->pw_gid, groups.data(), &count) < 0) {
    groups.resize(static_cast<std::size_t>(count));
    getgrouplist(user.c_str(), entry->pw_gid, groups.data(), &count);
  }
  groups.resize(static_cast<std::size_t>(count));
  found.groups.assign(groups.begin(), groups.end());
  return found;
}

Result<void> become(const SystemUser& user) {
  const std::vector<gid_t> groups(user.groups.begin(), user.groups.end());
  if (setgroups(groups.size(), groups.data()) != 0) return systemError("setgroups", errno);
  if (setresgid(user.gid, user.gid, user.gid) != 0) return systemError("setresgid", errno);
  if (setresuid(user.uid, user.uid, user.uid) != 0) return systemError("setresuid", errno);
  return {};
}

}  // namespace crossgate
