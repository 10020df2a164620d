// SPDX-License-Identifier: BSD-2-Clause
// The GSSAPI of MIT Kerberos behind our own types: the only file that calls it.
//
// A context is established by tokens (GssAcceptor, GssInitiator), and protects messages afterwards
// (GssContext).  It can be exported in one process and imported in another: the helper establishes it,
// because it needs the keytab, and the worker that relays uses it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "gateway/gss_level.h"
#include "gateway/gss_seal.h"
#include "lib/octets.h"
#include "lib/result.h"

struct gss_ctx_id_struct;
struct gss_cred_id_struct;
struct gss_name_struct;

namespace crossgate {

struct GssContextDeleter {
  void operator()(gss_ctx_id_struct* context) const noexcept;
};
struct GssCredentialDeleter {
  void operator()(gss_cred_id_struct* credential) const noexcept;
};
struct GssNameDeleter {
  void operator()(gss_name_struct* name) const noexcept;
};
using GssContextPtr = std::unique_ptr<gss_ctx_id_struct, GssContextDeleter>;
using GssCredentialPtr = std::unique_ptr<gss_cred_id_struct, GssCredentialDeleter>;
using GssNamePtr = std::unique_ptr<gss_name_struct, GssNameDeleter>;

/// An established context.
class GssContext {
 public:
  GssContext() = default;
  GssContext(GssContextPtr context, bool confidential)
      : context_(std::move(context)), confidential_(confidential) {}

  static Result<GssContext> import(OctetSpan exported, bool confidential);
  /// Takes the context out of this process; nothing is left here.
  Result<Octets> exportContext() &&;

  /// Whether it can encrypt at all.
  bool confidential() const noexcept { return confidential_; }

  Result<Octets> wrap(OctetSpan message, bool encrypt) const;
  struct Unwrapped {
    Octets message;
    bool encrypted = false;
  };
  Result<Unwrapped> unwrap(OctetSpan token, GssSeal::Order order) const;
  /// The most octets whose token has at most `token` octets.
  std::size_t largest(bool encrypt, std::size_t token) const;

 private:
  GssContextPtr context_;
  bool confidential_ = false;
};

/// What one step of an establishment has given.
struct GssStep {
  Octets token;  ///< to be sent to the peer, unless it is empty
  bool complete = false;
};

/// The keys of the service, held in memory once they are read.
class GssKeys {
 public:
  /// Reads `keytab` (empty: Kerberos's default one).  An Error names it and the reason.
  static Result<GssKeys> load(const std::string& keytab);
  /// Whether load() would succeed; keeps nothing.
  static Result<void> check(const std::string& keytab);

 private:
  friend class GssAcceptor;
  explicit GssKeys(GssCredentialPtr credential) : credential_(std::move(credential)) {}
  GssCredentialPtr credential_;
};

/// The service's side.
class GssAcceptor {
 public:
  explicit GssAcceptor(const GssKeys& keys) : keys_(keys) {}
  /// Failure::denied with the reason in Kerberos's words when the client is not who it says.
  Result<GssStep> step(OctetSpan token);
  /// Once complete: the client, as in alice@EXAMPLE.ORG.
  const std::string& principal() const noexcept { return principal_; }
  GssContext take() && { return {std::move(context_), confidential_}; }

 private:
  const GssKeys& keys_;
  GssContextPtr context_;
  std::string principal_;
  bool confidential_ = false;
};

/// The client's side.
class GssInitiator {
 public:
  /// The service, as in rcmd@gw.example.org.
  static Result<GssInitiator> create(const std::string& service);
  /// `token` is empty in the first step.  May ask a KDC, and waits for it.
  Result<GssStep> step(OctetSpan token);
  GssContext take() && { return {std::move(context_), confidential_}; }

 private:
  explicit GssInitiator(GssNamePtr target) : target_(std::move(target)) {}
  GssNamePtr target_;
  GssContextPtr context_;
  bool confidential_ = false;
};

/// Protects messages at the level that was agreed on.
std::unique_ptr<GssSeal> makeSeal(GssContext context, GssLevel level);

/// The realm of this host; empty where none is configured.
std::string ownRealm();

}  // namespace crossgate
