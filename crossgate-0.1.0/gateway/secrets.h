// SPDX-License-Identifier: BSD-2-Clause
// Secrets: what a generation reads with the privileges of the start, before its workers are forked: today
// the TLS certificate and key.  The master carries them from one to the other without looking inside.
#pragma once

#include <memory>

#include "gateway/config.h"
#include "gateway/tls_context.h"

namespace crossgate {

struct Secrets {
  std::unique_ptr<const TlsServer> tls;  ///< null: no certificate is configured
};

/// Reads what `config` names; the Error names the file and the reason.
Result<std::shared_ptr<const Secrets>> loadSecrets(const Config& config,
                                                   const std::shared_ptr<const TicketKeys>& tickets);

}  // namespace crossgate
