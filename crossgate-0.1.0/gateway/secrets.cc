// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/secrets.h"

#include "gateway/gss_context.h"

namespace crossgate {

Result<std::shared_ptr<const Secrets>> loadSecrets(const Config& config,
                                                   const std::shared_ptr<const TicketKeys>& tickets) {
  Secrets secrets;
  if (!config.tls.certificate.empty()) {
    auto tls = TlsServer::load(config.tls, tickets);
    if (!tls) return tls.error();
    secrets.tls = *std::move(tls);
  }
  // The keytab is left to the helper; what is wrong with it is better known now.
  if (config.auth.offers(socks5::Method::gssapi)) {
    if (auto keys = GssKeys::check(config.gss.keytab); !keys) return keys.error();
  }
  return std::make_shared<const Secrets>(std::move(secrets));
}

}  // namespace crossgate
