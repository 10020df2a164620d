// SPDX-License-Identifier: BSD-2-Clause
// Who owns what OpenSSL gives: the only place that calls its *_free functions.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace crossgate {

template <auto release>
struct OpensslDeleter {
  template <class T>
  void operator()(T* object) const noexcept {
    release(object);
  }
};

using SslContextPtr = std::unique_ptr<SSL_CTX, OpensslDeleter<&SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpensslDeleter<&SSL_free>>;
using BioPtr = std::unique_ptr<BIO, OpensslDeleter<&BIO_free_all>>;
using BioMethodPtr = std::unique_ptr<BIO_METHOD, OpensslDeleter<&BIO_meth_free>>;
using X509Ptr = std::unique_ptr<X509, OpensslDeleter<&X509_free>>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, OpensslDeleter<&GENERAL_NAMES_free>>;

}  // namespace crossgate
