// SPDX-License-Identifier: BSD-2-Clause
// What the sessions of a worker share.
#pragma once

#include "gateway/authenticate.h"
#include "gateway/config.h"
#include "gateway/gss_accept.h"
#include "gateway/hop_board.h"
#include "gateway/own_addresses.h"
#include "gateway/pipe_pool.h"
#include "gateway/resolver.h"
#include "gateway/rule_ledger.h"

namespace crossgate {

struct Services {
  EventLoop& loop;
  const Config& config;
  const Log& log;
  Resolver& resolver;
  PipePool& pipes;
  OwnAddresses& ownAddresses;
  LoginDesk& loginDesk;
  GssDesk& gssDesk;
  GssDesk& gssClientDesk;
  RulePage& rules;
  HopPage& hops;
};

}  // namespace crossgate
