// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/secrets.h"

namespace crossgate {

Result<std::shared_ptr<const Secrets>> loadSecrets(const Config& config,
                                                   const std::shared_ptr<const TicketKeys>& tickets) {
  Secrets secrets;
  if (!config.tls.certificate.empty()) {
    auto tls = TlsServer::load(config.tls, tickets);
    if (!tls) return tls.error();
    secrets.tls = *std::move(tls);
  }
  return std::make_shared<const Secrets>(std::move(secrets));
}

}  // namespace crossgate
