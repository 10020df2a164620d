// SPDX-License-Identifier: BSD-2-Clause
// The PAM back end: a user and a password against the modules of a service in /etc/pam.d, which bring
// local accounts, LDAP, RADIUS or Kerberos.  Blocks as long as the modules do, so only a checker
// process calls it.
#pragma once

#include <string>

#include "gateway/auth_protocol.h"

namespace crossgate {

/// Authenticates and asks whether the account may be used now.  `unavailable` when PAM itself fails.
LoginVerdict checkWithPam(const std::string& service, const LoginRequest& login);

}  // namespace crossgate
