// SPDX-License-Identifier: BSD-2-Clause
// The way into a hop by GSSAPI (RFC 1961): greeting, method selection and context, after which everything
// travels sealed, the request first (SocksClient's `authenticated`).
//
// Fails with denied where the hop does not choose GSSAPI, and as gss_initiate.h.
#pragma once

#include <memory>
#include <string>

#include "gateway/gss_conversation.h"

namespace crossgate {

struct GssHopSetting {
  std::string service;          ///< as in rcmd@gw.example.org
  unsigned passedGateways = 0;  ///< told to the hop when it is not 0
  GssLevel least = GssLevel::confidentiality;
};

/// The Stream through `below`, which has reached the hop, once it has let us in.
Task<Result<std::unique_ptr<Stream>>> connectGss(GssDesk& desk, std::unique_ptr<Stream> below,
                                                 GssHopSetting setting, Deadline deadline);

}  // namespace crossgate
