// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/tls_context.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "gateway/phrase.h"
#include "gateway/privilege.h"
#include "lib/address.h"

namespace crossgate {
namespace {

// Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else.
constexpr const char* defaultCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
// Several records are taken from the socket by one system call while a lot is there; the buffer is
// given back when it is empty.
constexpr std::size_t readBufferSize = 64 * 1024;

Error fileError(const std::string& file, std::string_view what) {
  return {Failure::invalid, file + ": " + std::string(what)};
}

Error opensslError(const std::string& file, const char* otherwise) {
  return fileError(file, takeOpensslError(otherwise));
}

// Nobody is there to type a passphrase.
int noPassphrase(char*, int, int, void*) { return -1; }

Result<std::string> readFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return systemError(file.c_str(), errno);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

SslContextPtr newContext(const SSL_METHOD* method) {
  SslContextPtr context(SSL_CTX_new(method));
  if (!context) throw std::runtime_error("OpenSSL: " + takeOpensslError("no context"));
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_default_read_buffer_len(context.get(), readBufferSize);
  SSL_CTX_set_default_passwd_cb(context.get(), &noPassphrase);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context.get(), defaultCiphers);
  return context;
}

Result<void> useCertificate(SSL_CTX& context, const std::string& certificate, const std::string& keyFile) {
  ERR_clear_error();
  if (const auto readable = readFile(certificate); !readable) return readable.error();
  if (SSL_CTX_use_certificate_chain_file(&context, certificate.c_str()) != 1) {
    return opensslError(certificate, "not a certificate");
  }
  const std::string& file = keyFile.empty() ? certificate : keyFile;
  hideMemory();  // from here on this process and its children hold a key
  if (!std::ifstream(file)) return systemError(file.c_str(), errno);
  if (SSL_CTX_use_PrivateKey_file(&context, file.c_str(), SSL_FILETYPE_PEM) != 1) {
    // Among the reasons: it is the key of another certificate.
    return fileError(file,
                     takeOpensslError("not a private key") + " (the certificate is " + certificate + ")");
  }
  return {};
}

// The parts of a list as ciphers(1) has it: HIGH, !aNULL, ECDHE+AESGCM, @STRENGTH.
std::vector<std::string> cipherParts(std::string_view list) {
  std::vector<std::string> parts(1);
  for (const char c : list) {
    const bool separates = std::string_view(":;, ").find(c) != std::string_view::npos;
    if (separates || c == '!' || c == '@') parts.emplace_back();
    if (!separates) parts.back() += c;
  }
  std::erase(parts, "");
  return parts;
}

bool isSuite(const std::string& part) { return part.starts_with("TLS_"); }

// Ciphers that OpenSSL had once, or may be built without, and what stands for them in lists that are older.
bool isRetired(const std::string& name) {
  constexpr std::array retired = std::to_array<std::string_view>(
      {"RC2", "RC4", "DES", "3DES", "IDEA", "SEED", "EXP", "EXPORT", "EXPORT40", "EXPORT56", "LOW", "MEDIUM", "SSLv2",
       "kRB5", "kDH", "kDHr", "kDHd", "aDH", "kECDH", "kECDHr", "kECDHe", "aECDH", "kGOST", "aGOST", "aGOST01", "GOST94",
       "GOST89MAC"});
  const std::vector<std::string> words = splitList(name, '-');
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return std::find(retired.begin(), retired.end(), word) != retired.end();
  });
}

// Does OpenSSL know what the part names?  In a list it passes over what it does not; alone it says no.
bool known(SSL_CTX& scratch, const std::string& part) {
  if (isSuite(part)) {
    // The others have names of this kind as well, which are no good here.
    return SSL_CTX_set_ciphersuites(&scratch, part.c_str()) == 1 &&
           part == SSL_CIPHER_get_name(sk_SSL_CIPHER_value(SSL_CTX_get_ciphers(&scratch), 0));
  }
  if (part.starts_with('@')) return true;  // a command, which it refuses in a list too
  const std::size_t start = std::min(part.find_first_not_of("!+-"), part.size());
  const std::vector<std::string> names = splitList(part.substr(start), '+');
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return isRetired(name) || SSL_CTX_set_cipher_list(&scratch, name.c_str()) == 1;
  });
}

// One list for both: the suites of TLS 1.3 have names of their own kind, and a function of their own.
Result<void> useCiphers(SSL_CTX& context, const std::string& ciphers) {
  if (ciphers.empty()) return {};
  const SslContextPtr scratch = newContext(TLS_server_method());
  std::string suites, older;
  for (const std::string& part : cipherParts(ciphers)) {
    if (!known(*scratch, part)) return Error{Failure::invalid, "tls.ciphers: '" + part + "': no such cipher"};
    std::string& list = isSuite(part) ? suites : older;
    list += (list.empty() ? "" : ":") + part;
  }
  ERR_clear_error();
  const bool good = (suites.empty() || SSL_CTX_set_ciphersuites(&context, suites.c_str()) == 1) &&
                    (older.empty() || SSL_CTX_set_cipher_list(&context, older.c_str()) == 1);
  if (!good) return Error{Failure::invalid, "tls.ciphers: " + takeOpensslError("no such cipher")};
  return {};
}

Result<void> askForCertificates(SSL_CTX& context, const TlsConfig& config) {
  // A ticket is only good for who would let its owner in now: under other CAs it is not resumed.
  std::string trusted;
  if (!config.clientCa.empty()) {
    auto text = readFile(config.clientCa);
    if (!text) return text.error();
    trusted = *std::move(text) + (config.clientCertificateRequired ? "required" : "optional");
    ERR_clear_error();
    STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(config.clientCa.c_str());
    if (names == nullptr) return opensslError(config.clientCa, "no certificate in it");
    SSL_CTX_set_client_CA_list(&context, names);  // owned by the context now
    if (SSL_CTX_load_verify_locations(&context, config.clientCa.c_str(), nullptr) != 1) {
      return opensslError(config.clientCa, "no certificate in it");
    }
    const int required = config.clientCertificateRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | required, nullptr);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  EVP_Digest(trusted.data(), trusted.size(), digest.data(), &size, EVP_sha256(), nullptr);
  SSL_CTX_set_session_id_context(&context, digest.data(), size);
  return {};
}

// ---- tickets ------------------------------------------------------------------------------------

// OpenSSL asks for the key that seals a ticket or opens one: 1 yes, 2 yes and renew, 0 no, -1 failed.
int chooseTicketKey(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                    EVP_MAC_CTX* mac, int sealing) noexcept {
  const auto& keys = *static_cast<const TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const TicketKey* key = &keys.current();
  int answer = 1;
  if (sealing != 0) {
    std::copy(key->name.begin(), key->name.end(), name);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
  } else {
    const auto found = keys.find(std::span<const std::uint8_t, 16>(name, 16));
    if (!found) return 0;
    key = found->key;
    // The tickets of TLS 1.3 are used once, so a new one is due with every use.
    answer = found->isCurrent && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
  }
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<std::uint8_t*>(key->mac.data()),
                                        key->mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, parameters) != 1) return -1;
  if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv, sealing) != 1) return -1;
  return answer;
}

void useTickets(SSL_CTX& context, const TicketKeys& tickets) {
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_app_data(&context, const_cast<TicketKeys*>(&tickets));
  SSL_CTX_set_tlsext_ticket_key_evp_cb(&context, &chooseTicketKey);
  const auto lifetime = std::chrono::seconds(2 * TicketKeys::period).count();
  SSL_CTX_set_timeout(&context, lifetime);
}

// ---- names --------------------------------------------------------------------------------------

std::optional<std::string> textOf(const ASN1_STRING* value) {
  unsigned char* utf8 = nullptr;
  const int size = value == nullptr ? -1 : ASN1_STRING_to_UTF8(&utf8, value);
  if (size < 0) return {};
  std::string text(reinterpret_cast<char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return text;
}

std::optional<std::string> subjectOf(const X509& certificate) {
  const BioPtr memory(BIO_new(BIO_s_mem()));
  if (!memory) return {};
  if (X509_NAME_print_ex(memory.get(), X509_get_subject_name(&certificate), 0, XN_FLAG_RFC2253) < 0)
    return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  if (size <= 0) return {};
  return std::string(text, static_cast<std::size_t>(size));
}

// Two common names are an ambiguity that somebody may have wanted: no name.
std::optional<std::string> commonNameOf(const X509& certificate) {
  const X509_NAME* name = X509_get_subject_name(&certificate);
  const int first = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (first < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, first) >= 0) return {};
  return textOf(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, first)));
}

std::optional<std::string> alternativeNameOf(const X509& certificate, int kind) {
  const GeneralNamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int itsKind = -1;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &itsKind);
    if (itsKind == kind) return textOf(static_cast<const ASN1_STRING*>(value));
  }
  return {};
}

std::optional<std::string> nameIn(const X509& certificate, CertificateUser user) {
  switch (user) {
    case CertificateUser::subject: return subjectOf(certificate);
    case CertificateUser::commonName: return commonNameOf(certificate);
    case CertificateUser::email: return alternativeNameOf(certificate, GEN_EMAIL);
    case CertificateUser::dns: return alternativeNameOf(certificate, GEN_DNS);
    case CertificateUser::no: break;
  }
  return {};
}

}  // namespace

std::string takeOpensslError(const char* otherwise) {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  return reason != nullptr ? reason : otherwise;
}

// ---- server -------------------------------------------------------------------------------------

TlsServer::TlsServer(SslContextPtr context, std::shared_ptr<const TicketKeys> tickets, CertificateUser user)
    : context_(std::move(context)), tickets_(std::move(tickets)), user_(user) {}

Result<std::unique_ptr<const TlsServer>> TlsServer::load(const TlsConfig& config,
                                                         std::shared_ptr<const TicketKeys> tickets) {
  SslContextPtr context = newContext(TLS_server_method());
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  if (config.minimum == TlsVersion::v13) SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  if (auto used = useCertificate(*context, config.certificate, config.key); !used) return used.error();
  if (auto used = useCiphers(*context, config.ciphers); !used) return used.error();
  if (auto asked = askForCertificates(*context, config); !asked) return asked.error();
  useTickets(*context, *tickets);
  return std::unique_ptr<const TlsServer>(new TlsServer(std::move(context), std::move(tickets), config.user));
}

SslPtr TlsServer::open() const {
  SslPtr ssl(SSL_new(context_.get()));
  if (ssl) SSL_set_accept_state(ssl.get());
  return ssl;
}

Result<std::optional<std::string>> TlsServer::userOf(const SSL& ssl) const {
  const X509* certificate = SSL_get0_peer_certificate(&ssl);
  if (user_ == CertificateUser::no || certificate == nullptr) return std::optional<std::string>{};
  auto name = nameIn(*certificate, user_);
  if (!name || name->empty() || name->find('\0') != name->npos) {
    return Error{Failure::denied, "the client's certificate does not name a user"};
  }
  return name;
}

Validity TlsServer::validity() const {
  const auto secondsOf = [](const ASN1_TIME* time) {
    std::tm parts{};
    return ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : std::time_t{0};
  };
  const X509* own = SSL_CTX_get0_certificate(context_.get());
  return {secondsOf(X509_get0_notBefore(own)), secondsOf(X509_get0_notAfter(own))};
}

// ---- client -------------------------------------------------------------------------------------

Result<std::unique_ptr<const TlsClient>> TlsClient::load(const TlsClientConfig& config) {
  SslContextPtr context = newContext(TLS_client_method());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  ERR_clear_error();
  if (config.ca.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (SSL_CTX_load_verify_locations(context.get(), config.ca.c_str(), nullptr) != 1) {
    return opensslError(config.ca, "no certificate in it");
  }
  if (!config.certificate.empty()) {
    if (auto used = useCertificate(*context, config.certificate, config.key); !used) return used.error();
  }
  return std::unique_ptr<const TlsClient>(new TlsClient(std::move(context)));
}

SslPtr TlsClient::open(const std::string& host) const {
  SslPtr ssl(SSL_new(context_.get()));
  if (!ssl) return nullptr;
  SSL_set_connect_state(ssl.get());
  SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  bool named = false;
  if (const auto address = IpAddress::parse(host)) {
    const auto octets = address->octets();
    named = X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl.get()), octets.data(), octets.size()) == 1;
  } else {
    // SSL_set_tlsext_host_name(), without the casts of its macro.
    named = SSL_set1_host(ssl.get(), host.c_str()) == 1 &&
            SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                     const_cast<char*>(host.c_str())) == 1;
  }
  // A connection that would not check whom it talks to is no connection.
  if (!named) return nullptr;
  return ssl;
}

}  // namespace crossgate
