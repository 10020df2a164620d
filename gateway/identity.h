// SPDX-License-Identifier: BSD-2-Clause
// Who a client is: the authenticate stage learns it, the account stage tells it.
#pragma once

#include <string>

#include "lib/socks5.h"

namespace crossgate {

/// Who a client has turned out to be.
struct Identity {
  std::string user;  ///< empty: nobody in particular
  socks5::Method method = socks5::Method::none;
  bool keepPassword = false;  ///< because a route passes logins on
  std::string password;       ///< of `userpass`, where it is to be kept; no log ever shows it
};

}  // namespace crossgate
