// SPDX-License-Identifier: BSD-2-Clause
// What TLS is done with: certificate, key, CAs, ciphers, tickets.  Built once per generation, before
// the workers are forked and privileges drop; the workers inherit it and never read a file for it.
#pragma once

#include <ctime>
#include <memory>
#include <optional>
#include <string>

#include "gateway/tls_handles.h"
#include "gateway/ticket_keys.h"
#include "gateway/tls_config.h"
#include "lib/result.h"

namespace crossgate {

/// From when to when a certificate is good.
struct Validity {
  std::time_t from = 0;
  std::time_t until = 0;
};

class TlsServer {
 public:
  /// Reads the files of `config`; an Error names the file and what is wrong with it.
  static Result<std::unique_ptr<const TlsServer>> load(const TlsConfig& config,
                                                       std::shared_ptr<const TicketKeys> tickets);
  /// A connection at its beginning, that of a server.
  SslPtr open() const;
  /// The user that a client's certificate names, if the configuration wants one.  Failure::denied when
  /// the certificate has no such name, or one that holds a NUL.
  Result<std::optional<std::string>> userOf(const SSL& ssl) const;
  /// Of our own certificate.
  Validity validity() const;

 private:
  TlsServer(SslContextPtr context, std::shared_ptr<const TicketKeys> tickets, CertificateUser user);

  SslContextPtr context_;
  std::shared_ptr<const TicketKeys> tickets_;
  CertificateUser user_;
};

class TlsClient {
 public:
  static Result<std::unique_ptr<const TlsClient>> load(const TlsClientConfig& config);
  /// A connection at its beginning, that of a client, which accepts only a certificate for `host` (a name
  /// or an address).
  SslPtr open(const std::string& host) const;

 private:
  explicit TlsClient(SslContextPtr context) : context_(std::move(context)) {}
  SslContextPtr context_;
};

/// The last error that OpenSSL has noted, in its words, and forgets it; `otherwise` when it noted none.
std::string takeOpensslError(const char* otherwise);

}  // namespace crossgate
