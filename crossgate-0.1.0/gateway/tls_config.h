// SPDX-License-Identifier: BSD-2-Clause
// What the configuration says about TLS, without a word of OpenSSL.
#pragma once

#include <cstdint>
#include <string>

namespace crossgate {

enum class TlsVersion : std::uint8_t { v12, v13 };

/// What of a client's certificate becomes the user's name.
enum class CertificateUser : std::uint8_t {
  no,
  subject,     ///< the whole distinguished name (RFC 2253)
  commonName,  ///< the subject's only CN
  email,       ///< the first rfc822Name of subjectAltName
  dns,         ///< the first dNSName of subjectAltName
};

/// [tls]: the Gateway as a TLS server.
struct TlsConfig {
  std::string certificate;  ///< PEM, the chain behind it; empty: no TLS
  std::string key;          ///< PEM; empty: in the certificate's file
  std::string clientCa;     ///< PEM; empty: clients are not asked for a certificate
  bool clientCertificateRequired = false;
  std::string ciphers;
  TlsVersion minimum = TlsVersion::v12;
  bool detect = false;  ///< on a socks listener, by the first octet
  CertificateUser user = CertificateUser::no;
  bool udp = false;  ///< UDP ASSOCIATE for a client whose stream TLS protects, but not its datagrams
};

/// The Gateway as a TLS client.
struct TlsClientConfig {
  std::string ca;           ///< PEM; empty: the system's
  std::string certificate;  ///< shown to a server that asks; empty: none
  std::string key;
};

}  // namespace crossgate
