// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/secrets.h"

#include <sys/stat.h>

#include <cerrno>
#include <fstream>

#include "gateway/gss_context.h"

namespace crossgate {
namespace {

// `user:password` in the first line.
Result<socks5::Credentials> readLogin(const std::string& file) {
  struct stat status {};
  std::ifstream in(file);
  std::string line;
  if (!in || stat(file.c_str(), &status) != 0) return systemError(file.c_str(), errno);
  const auto wrong = [&](const char* why) { return Error{Failure::invalid, file + ": " + why}; };
  if ((status.st_mode & S_IRWXO) != 0) return wrong("everybody may read it");
  if (!std::getline(in, line)) return wrong("it is empty");
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == line.npos || line.size() > 255 + 1 + 255 || colon > 255)
    return wrong("the first line is not user:password");
  return socks5::Credentials{line.substr(0, colon), line.substr(colon + 1)};
}

Result<void> loadHopSecrets(const Config& config, Secrets& secrets) {
  bool tls = false;
  for (const Hop& hop : config.routes.hops()) {
    tls = tls || hop.tls;
    if (hop.secretFile.empty() || secrets.hopLogins.contains(hop.secretFile)) continue;
    auto login = readLogin(hop.secretFile);
    if (!login) return login.error();
    secrets.hopLogins.emplace(hop.secretFile, *std::move(login));
  }
  if (!tls) return {};
  auto client = TlsClient::load(config.route.tls);
  if (!client) return client.error();
  secrets.hopTls = *std::move(client);
  return {};
}

}  // namespace

Result<std::shared_ptr<const Secrets>> loadSecrets(const Config& config,
                                                   const std::shared_ptr<const TicketKeys>& tickets) {
  Secrets secrets;
  if (!config.tls.certificate.empty()) {
    auto tls = TlsServer::load(config.tls, tickets);
    if (!tls) return tls.error();
    secrets.tls = *std::move(tls);
  }
  if (auto loaded = loadHopSecrets(config, secrets); !loaded) return loaded.error();
  // The keytab is left to the helper; what is wrong with it is better known now.
  if (config.auth.offers(socks5::Method::gssapi)) {
    if (auto keys = GssKeys::check(config.gss.keytab); !keys) return keys.error();
  }
  return std::make_shared<const Secrets>(std::move(secrets));
}

}  // namespace crossgate
