// SPDX-License-Identifier: BSD-2-Clause
// SystemUser: a user of this host, whom workers and helpers become.
#pragma once

#include <string>
#include <vector>

#include "lib/result.h"

namespace crossgate {

struct SystemUser {
  std::string name;
  unsigned uid = 0;
  unsigned gid = 0;
  std::vector<unsigned> groups;
};

/// Failure::invalid when there is no such user.
Result<SystemUser> findSystemUser(const std::string& user);

/// Becomes that user for good.
Result<void> become(const SystemUser& user);

}  // namespace crossgate
