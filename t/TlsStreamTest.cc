// SPDX-License-Identifier: BSD-2-Clause
// gateway/tls_stream: whom a client trusts, TLS inside TLS, and how a stream may end.
#include "gateway/tls_stream.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <openssl/pem.h>

#include <cerrno>
#include <cstdio>

#include "t/Loop.h"

namespace crossgate {
namespace {

using namespace std::chrono_literals;

using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslDeleter<&EVP_PKEY_free>>;

// A self-signed certificate and its key, in one file that goes with the object.
class Certificate {
 public:
  Certificate(const char* dnsName, long validFor) {
    const int fd = mkstemp(path_);
    CPPUNIT_ASSERT(fd >= 0);
    const Fd file(fd);
    const KeyPtr key(EVP_EC_gen("P-256"));
    const X509Ptr certificate(X509_new());
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_set_version(certificate.get(), 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -7200);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), validFor);
    X509_set_pubkey(certificate.get(), key.get());
    X509_NAME* name = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1,
                               -1, 0);
    X509_set_issuer_name(certificate.get(), name);
    X509_EXTENSION* names =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, (std::string("DNS:") + dnsName).c_str());
    X509_add_ext(certificate.get(), names, -1);
    X509_EXTENSION_free(names);
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    const BioPtr out(BIO_new_file(path_, "w"));
    PEM_write_bio_X509(out.get(), certificate.get());
    PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  }
  ~Certificate() { unlink(path_); }
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;
  const char* path() const { return path_; }

 private:
  char path_[32] = "/tmp/tlstest.XXXXXX";
};

class TlsStreamTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TlsStreamTest);
  CPPUNIT_TEST(theRightHostIsTrusted);
  CPPUNIT_TEST(anotherHostIsNot);
  CPPUNIT_TEST(anExpiredCertificateIsNot);
  CPPUNIT_TEST(anUnknownIssuerIsNot);
  CPPUNIT_TEST(tlsInsideTls);
  CPPUNIT_TEST(anEndInOrderIsNoCut);
  CPPUNIT_TEST(aKeyOfAnotherCertificateIsRefused);
  CPPUNIT_TEST(ciphersAreWrittenAsOpensslHasThem);
  CPPUNIT_TEST(eachUnknownCipherIsNamed);
  CPPUNIT_TEST_SUITE_END();

  static constexpr long day = 24 * 3600;
  EventLoop loop_;
  Certificate good_{"gw.example", day};

  static std::unique_ptr<const TlsServer> server(const Certificate& certificate) {
    TlsConfig config;
    config.certificate = certificate.path();
    auto loaded = TlsServer::load(config, std::make_shared<const TicketKeys>());
    CPPUNIT_ASSERT(loaded);
    return *std::move(loaded);
  }
  static std::unique_ptr<const TlsClient> trusting(const Certificate& ca) {
    TlsClientConfig config;
    config.ca = ca.path();
    auto loaded = TlsClient::load(config);
    CPPUNIT_ASSERT(loaded);
    return *std::move(loaded);
  }

  struct Ends {
    std::unique_ptr<Stream> client;  // null: see `error`
    std::unique_ptr<TlsStream> server;
    Error error;
  };
  struct Plain {
    std::unique_ptr<Stream> client, server;
  };
  Plain plain() {
    auto pair = test::tcpPair();
    const int flags = fcntl(pair.first.get(), F_GETFL);
    fcntl(pair.first.get(), F_SETFL, flags | O_NONBLOCK);
    return {std::make_unique<PlainStream>(loop_, std::move(pair.first)),
            std::make_unique<PlainStream>(loop_, std::move(pair.second))};
  }
  Ends handshake(Plain below, const TlsServer& server, const TlsClient& client, const std::string& host) {
    Ends ends;
    ends.server = std::make_unique<TlsStream>(std::move(below.server), server.open());
    Task<Result<void>> accepting = ends.server->handshake(in(5s));
    accepting.start([](void*) noexcept {}, nullptr);
    auto connected = test::run(loop_, connectTls(std::move(below.client), client, host, in(5s)));
    if (!connected) {
      ends.error = connected.error();
      return ends;
    }
    ends.client = *std::move(connected);
    while (!accepting.done()) loop_.turn();
    CPPUNIT_ASSERT(accepting.result());
    return ends;
  }
  void carries(Stream& from, Stream& to, std::size_t size) {
    Octets data(size);
    for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::uint8_t>(i * 31 + (i >> 9));
    Task<Result<void>> writing = writeAll(from, data, in(5s));
    writing.start([](void*) noexcept {}, nullptr);
    Inbox inbox;
    while (inbox.unread().size() < size) {
      const auto count = test::run(loop_, inbox.fill(to, in(5s)));
      CPPUNIT_ASSERT(count && *count > 0);
    }
    CPPUNIT_ASSERT(std::equal(data.begin(), data.end(), inbox.unread().begin(), inbox.unread().end()));
  }

 public:
  void theRightHostIsTrusted() {
    const auto gateway = server(good_);
    const auto client = trusting(good_);
    Ends ends = handshake(plain(), *gateway, *client, "gw.example");
    CPPUNIT_ASSERT(ends.client);
    CPPUNIT_ASSERT_EQUAL(std::string("TLSv1.3"), std::string(ends.server->version()));
    carries(*ends.client, *ends.server, 3'000'000);
    carries(*ends.server, *ends.client, 3'000'000);
  }
  void refused(const Certificate& shown, const Certificate& trusted, const std::string& host,
               const std::string& why) {
    const auto gateway = server(shown);
    const auto client = trusting(trusted);
    const Ends ends = handshake(plain(), *gateway, *client, host);
    CPPUNIT_ASSERT(!ends.client);
    CPPUNIT_ASSERT(ends.error.failure == Failure::denied);
    CPPUNIT_ASSERT_MESSAGE(ends.error.detail, ends.error.detail.find(why) != std::string::npos);
  }
  void anotherHostIsNot() {
    refused(good_, good_, "other.example", "hostname mismatch");
    refused(good_, good_, "192.0.2.1", "IP address mismatch");
  }
  void anExpiredCertificateIsNot() {
    const Certificate old("gw.example", -3600);
    refused(old, old, "gw.example", "certificate has expired");
  }
  void anUnknownIssuerIsNot() {
    const Certificate other("gw.example", day);
    refused(good_, other, "gw.example", "self-signed certificate");
  }
  void tlsInsideTls() {
    const auto gateway = server(good_);
    const auto client = trusting(good_);
    Ends outer = handshake(plain(), *gateway, *client, "gw.example");
    CPPUNIT_ASSERT(outer.client);
    Ends inner =
        handshake({std::move(outer.client), std::move(outer.server)}, *gateway, *client, "gw.example");
    CPPUNIT_ASSERT(inner.client);
    carries(*inner.client, *inner.server, 1'000'000);
    carries(*inner.server, *inner.client, 1'000'000);
  }
  void anEndInOrderIsNoCut() {
    const auto gateway = server(good_);
    const auto client = trusting(good_);
    Inbox inbox;
    Ends inOrder = handshake(plain(), *gateway, *client, "gw.example");
    CPPUNIT_ASSERT(inOrder.client->finish().state == Io::State::done);
    const auto end = test::run(loop_, inbox.fill(*inOrder.server, in(5s)));
    CPPUNIT_ASSERT(end && *end == 0);
    carries(*inOrder.server, *inOrder.client, 1000);  // the other direction stays

    Ends cut = handshake(plain(), *gateway, *client, "gw.example");
    shutdown(cut.client->socket().fd(), SHUT_WR);
    CPPUNIT_ASSERT(!test::run(loop_, inbox.fill(*cut.server, in(5s))));
  }
  void aKeyOfAnotherCertificateIsRefused() {
    const Certificate other("gw.example", day);
    TlsConfig config;
    config.certificate = good_.path();
    config.key = other.path();
    const auto loaded = TlsServer::load(config, std::make_shared<const TicketKeys>());
    CPPUNIT_ASSERT(!loaded);
    CPPUNIT_ASSERT(loaded.error().detail.starts_with(other.path()));
  }
  // What is wrong with it.
  std::string ciphers(const std::string& list) {
    TlsConfig config;
    config.certificate = good_.path();
    config.ciphers = list;
    const auto loaded = TlsServer::load(config, std::make_shared<const TicketKeys>());
    return loaded ? "" : loaded.error().detail;
  }
  void ciphersAreWrittenAsOpensslHasThem() {
    for (const char* list :
         {"ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256:ECDHE+AESGCM",
          "HIGH:!aNULL:-kRSA:+SHA1:@STRENGTH", "HIGH, !aNULL;!eNULL MEDIUM", "HIGH!aNULL", "DEFAULT@SECLEVEL=2",
          "ECDHE+AESGCM+aECDSA", "HIGH:3DES:!RC4:!EXPORT:!DES-CBC3-SHA:-EXP-RC4-MD5:!kRSA+3DES"}) {
      CPPUNIT_ASSERT_EQUAL_MESSAGE(list, std::string(), ciphers(list));
    }
  }
  void eachUnknownCipherIsNamed() {
    const struct {
      const char* list;
      const char* named;
    } rows[] = {{"TYPO", "TYPO"},
                {"HIGH:TYPO", "TYPO"},
                {"HIGH,TYPO", "TYPO"},
                {"HIGH TYPO", "TYPO"},
                {"HIGH:!TYPO", "!TYPO"},
                {"HIGH!TYPO", "!TYPO"},
                {"HIGH:-TYPO", "-TYPO"},
                {"HIGH:+TYPO", "+TYPO"},
                {"HIGH:ECDHE+TYPO", "ECDHE+TYPO"},
                {"HIGH:ECDHE+", "ECDHE+"},
                {"HIGH:!", "!"},
                {"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA255", "ECDHE-ECDSA-AES128-GCM-SHA255"},
                {"TLS_AES_128_GCM_SHA256:TLS_AES_128_GCM_SHA255", "TLS_AES_128_GCM_SHA255"},
                {"HIGH:!TLS_AES_128_GCM_SHA256", "!TLS_AES_128_GCM_SHA256"},
                {"HIGH:TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"}};
    for (const auto& row : rows) {
      CPPUNIT_ASSERT_EQUAL_MESSAGE(row.list, "tls.ciphers: '" + std::string(row.named) + "': no such cipher",
                                   ciphers(row.list));
    }
    for (const char* list : {"HIGH:@STRONG", "HIGH:@SECLEVEL=9", "HIGH:!ALL", "LOW"}) {
      CPPUNIT_ASSERT_MESSAGE(list, ciphers(list).starts_with("tls.ciphers: "));
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(TlsStreamTest);

}  // namespace
}  // namespace crossgate
