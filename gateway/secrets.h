// SPDX-License-Identifier: BSD-2-Clause
// Secrets: what a generation reads with the privileges of the start, before its workers are forked: today
// TLS certificates and keys,
// and the passwords of hops.  The master carries them from one to the other without looking inside.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "gateway/config.h"
#include "gateway/tls_context.h"

namespace crossgate {

struct Secrets {
  std::unique_ptr<const TlsServer> tls;      ///< null: no certificate is configured
  std::unique_ptr<const TlsClient> hopTls;   ///< null: no hop is reached by TLS
  std::map<std::string, socks5::Credentials> hopLogins;  ///< by the file that holds them
};

/// Reads what `config` names; the Error names the file and the reason.
Result<std::shared_ptr<const Secrets>> loadSecrets(const Config& config,
                                                   const std::shared_ptr<const TicketKeys>& tickets);

}  // namespace crossgate
