// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/gss_context.h"

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5.h>

#include <utility>

namespace crossgate {
namespace {

// The length field of a frame has two octets.
constexpr std::size_t largestToken = 65535;
constexpr const char* memoryKeytab = "MEMORY:crossgate";

struct Krb5Deleter {
  void operator()(_krb5_context* context) const noexcept { krb5_free_context(context); }
};
using Krb5Ptr = std::unique_ptr<_krb5_context, Krb5Deleter>;

struct KeytabDeleter {
  krb5_context context = nullptr;
  void operator()(_krb5_kt* keytab) const noexcept { krb5_kt_close(context, keytab); }
};
using KeytabPtr = std::unique_ptr<_krb5_kt, KeytabDeleter>;

// What the library has allocated for us.
class GssBuffer {
 public:
  GssBuffer() = default;
  GssBuffer(const GssBuffer&) = delete;
  GssBuffer& operator=(const GssBuffer&) = delete;
  ~GssBuffer() {
    OM_uint32 minor = 0;
    gss_release_buffer(&minor, &buffer_);
  }
  gss_buffer_t get() noexcept { return &buffer_; }
  OctetSpan octets() const noexcept {
    return {static_cast<const std::uint8_t*>(buffer_.value), buffer_.length};
  }
  Octets copy() const { return {octets().begin(), octets().end()}; }
  std::string text() const { return {static_cast<const char*>(buffer_.value), buffer_.length}; }

 private:
  gss_buffer_desc buffer_ = GSS_C_EMPTY_BUFFER;
};

// What the library only reads.
gss_buffer_desc lend(OctetSpan octets) { return {octets.size(), const_cast<std::uint8_t*>(octets.data())}; }
gss_buffer_desc lend(const std::string& text) { return {text.size(), const_cast<char*>(text.data())}; }

std::string explain(OM_uint32 code, int type) {
  OM_uint32 minor = 0;
  OM_uint32 more = 0;
  GssBuffer message;
  if (GSS_ERROR(gss_display_status(&minor, code, type, GSS_C_NO_OID, &more, message.get()))) return {};
  return message.text();
}

// The mechanism knows more than the generic code, where it says anything.
Error gssError(const char* what, OM_uint32 major, OM_uint32 minor) {
  std::string reason = minor != 0 ? explain(minor, GSS_C_MECH_CODE) : "";
  if (reason.empty()) reason = explain(major, GSS_C_GSS_CODE);
  return {Failure::denied, std::string(what) + ": " + reason};
}

Error krb5Error(krb5_context context, const std::string& what, krb5_error_code code) {
  const char* message = krb5_get_error_message(context, code);
  Error error{Failure::invalid, what + ": " + message};
  krb5_free_error_message(context, message);
  return error;
}

Result<Krb5Ptr> newContext() {
  krb5_context context = nullptr;
  if (const krb5_error_code code = krb5_init_context(&context); code != 0) {
    return krb5Error(nullptr, "Kerberos", code);
  }
  return Krb5Ptr(context);
}

Result<KeytabPtr> openKeytab(krb5_context context, const std::string& name) {
  krb5_keytab keytab = nullptr;
  const krb5_error_code code =
      name.empty() ? krb5_kt_default(context, &keytab) : krb5_kt_resolve(context, name.c_str(), &keytab);
  if (code != 0) return krb5Error(context, name.empty() ? "the default keytab" : name, code);
  return KeytabPtr(keytab, {context});
}

std::string nameOf(krb5_context context, krb5_keytab keytab) {
  char name[1024] = "keytab";
  krb5_kt_get_name(context, keytab, name, sizeof name);
  return name;
}

Result<void> copyKeys(krb5_context context, krb5_keytab from, krb5_keytab to) {
  krb5_kt_cursor cursor;
  krb5_error_code code = krb5_kt_start_seq_get(context, from, &cursor);
  if (code != 0) return krb5Error(context, nameOf(context, from), code);
  krb5_keytab_entry entry;
  while ((code = krb5_kt_next_entry(context, from, &entry, &cursor)) == 0) {
    code = krb5_kt_add_entry(context, to, &entry);
    krb5_free_keytab_entry_contents(context, &entry);
    if (code != 0) break;
  }
  krb5_kt_end_seq_get(context, from, &cursor);
  if (code != KRB5_KT_END) return krb5Error(context, nameOf(context, from), code);
  return {};
}

class ContextSeal final : public GssSeal {
 public:
  ContextSeal(GssContext context, GssLevel level) : context_(std::move(context)), level_(level) {}

  Result<Octets> wrap(OctetSpan message) override { return context_.wrap(message, encrypts()); }

  Result<Octets> unwrap(OctetSpan token, Order order) override {
    auto unwrapped = context_.unwrap(token, order);
    if (!unwrapped) return unwrapped.error();
    if (level_ == GssLevel::confidentiality && !unwrapped->encrypted) {
      return malformed("a message that is not encrypted, which was agreed on");
    }
    return std::move(unwrapped->message);
  }

  std::size_t largest() const override { return context_.largest(encrypts(), largestToken); }

 private:
  bool encrypts() const noexcept { return level_ != GssLevel::integrity && context_.confidential(); }

  GssContext context_;
  GssLevel level_;
};

}  // namespace

void GssContextDeleter::operator()(gss_ctx_id_struct* context) const noexcept {
  OM_uint32 minor = 0;
  gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
}
void GssCredentialDeleter::operator()(gss_cred_id_struct* credential) const noexcept {
  OM_uint32 minor = 0;
  gss_release_cred(&minor, &credential);
}
void GssNameDeleter::operator()(gss_name_struct* name) const noexcept {
  OM_uint32 minor = 0;
  gss_release_name(&minor, &name);
}

// ---- an established context ---------------------------------------------------------------------

Result<GssContext> GssContext::import(OctetSpan exported, bool confidential) {
  gss_buffer_desc token = lend(exported);
  OM_uint32 minor = 0;
  gss_ctx_id_t context = GSS_C_NO_CONTEXT;
  const OM_uint32 major = gss_import_sec_context(&minor, &token, &context);
  if (GSS_ERROR(major)) return gssError("import of a context", major, minor);
  return GssContext(GssContextPtr(context), confidential);
}

Result<Octets> GssContext::exportContext() && {
  OM_uint32 minor = 0;
  GssBuffer token;
  gss_ctx_id_t context = context_.release();
  const OM_uint32 major = gss_export_sec_context(&minor, &context, token.get());
  context_.reset(context);  // none after success
  if (GSS_ERROR(major)) return gssError("export of a context", major, minor);
  return token.copy();
}

Result<Octets> GssContext::wrap(OctetSpan message, bool encrypt) const {
  gss_buffer_desc plain = lend(message);
  OM_uint32 minor = 0;
  int encrypted = 0;
  GssBuffer token;
  const OM_uint32 major =
      gss_wrap(&minor, context_.get(), encrypt ? 1 : 0, GSS_C_QOP_DEFAULT, &plain, &encrypted, token.get());
  if (GSS_ERROR(major)) return gssError("wrap", major, minor);
  if (encrypt && encrypted == 0) return Error{Failure::general, "wrap: Kerberos did not encrypt"};
  if (token.octets().size() > largestToken) return Error{Failure::general, "wrap: the token is too long"};
  return token.copy();
}

Result<GssContext::Unwrapped> GssContext::unwrap(OctetSpan token, GssSeal::Order order) const {
  gss_buffer_desc wrapped = lend(token);
  OM_uint32 minor = 0;
  int encrypted = 0;
  GssBuffer message;
  const OM_uint32 major = gss_unwrap(&minor, context_.get(), &wrapped, message.get(), &encrypted, nullptr);
  if (GSS_ERROR(major)) return gssError("unwrap", major, minor);
  if ((major & (GSS_S_DUPLICATE_TOKEN | GSS_S_OLD_TOKEN)) != 0)
    return malformed("a message that came before");
  const bool strict = order == GssSeal::Order::strict;
  if (strict && (major & (GSS_S_UNSEQ_TOKEN | GSS_S_GAP_TOKEN)) != 0)
    return malformed("a message out of order");
  return Unwrapped{message.copy(), encrypted != 0};
}

std::size_t GssContext::largest(bool encrypt, std::size_t token) const {
  OM_uint32 minor = 0;
  OM_uint32 size = 0;
  const OM_uint32 major = gss_wrap_size_limit(&minor, context_.get(), encrypt ? 1 : 0, GSS_C_QOP_DEFAULT,
                                              static_cast<OM_uint32>(token), &size);
  return GSS_ERROR(major) ? 0 : size;
}

std::unique_ptr<GssSeal> makeSeal(GssContext context, GssLevel level) {
  return std::make_unique<ContextSeal>(std::move(context), level);
}

// ---- keys ---------------------------------------------------------------------------------------

Result<void> GssKeys::check(const std::string& keytab) {
  const auto context = newContext();
  if (!context) return context.error();
  const auto from = openKeytab(context->get(), keytab);
  if (!from) return from.error();
  if (const krb5_error_code code = krb5_kt_have_content(context->get(), from->get()); code != 0) {
    return krb5Error(context->get(), nameOf(context->get(), from->get()), code);
  }
  return {};
}

Result<GssKeys> GssKeys::load(const std::string& keytab) {
  const auto context = newContext();
  if (!context) return context.error();
  const auto from = openKeytab(context->get(), keytab);
  if (!from) return from.error();
  // The keytab in memory lives as long as one handle to it: the credential's.
  const auto to = openKeytab(context->get(), memoryKeytab);
  if (!to) return to.error();
  if (auto copied = copyKeys(context->get(), from->get(), to->get()); !copied) return copied.error();

  gss_key_value_element_desc element{"keytab", memoryKeytab};
  const gss_key_value_set_desc store{1, &element};
  gss_OID_set_desc kerberos{1, const_cast<gss_OID>(gss_mech_krb5)};
  OM_uint32 minor = 0;
  gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
  const OM_uint32 major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &kerberos,
                                                GSS_C_ACCEPT, &store, &credential, nullptr, nullptr);
  if (GSS_ERROR(major)) return gssError(nameOf(context->get(), from->get()).c_str(), major, minor);
  return GssKeys(GssCredentialPtr(credential));
}

std::string ownRealm() {
  const auto context = newContext();
  char* realm = nullptr;
  if (!context || krb5_get_default_realm(context->get(), &realm) != 0) return {};
  std::string name = realm;
  krb5_free_default_realm(context->get(), realm);
  return name;
}

// ---- establishing -------------------------------------------------------------------------------

Result<GssStep> GssAcceptor::step(OctetSpan token) {
  gss_buffer_desc input = lend(token);
  OM_uint32 minor = 0;
  OM_uint32 flags = 0;
  gss_name_t client = GSS_C_NO_NAME;
  gss_ctx_id_t context = context_.release();
  GssBuffer output;
  const OM_uint32 major =
      gss_accept_sec_context(&minor, &context, keys_.credential_.get(), &input, GSS_C_NO_CHANNEL_BINDINGS,
                             &client, nullptr, output.get(), &flags, nullptr, nullptr);
  context_.reset(context);
  const GssNamePtr name(client);
  if (GSS_ERROR(major)) return gssError("GSSAPI", major, minor);
  GssStep step{output.copy(), (major & GSS_S_CONTINUE_NEEDED) == 0};
  if (!step.complete) return step;

  GssBuffer shown;
  const OM_uint32 displayed = gss_display_name(&minor, name.get(), shown.get(), nullptr);
  if (GSS_ERROR(displayed)) return gssError("GSSAPI: the client's name", displayed, minor);
  if ((flags & GSS_C_ANON_FLAG) != 0 || shown.octets().empty()) {
    return Error{Failure::denied, "GSSAPI: a client without a name"};
  }
  if ((flags & GSS_C_INTEG_FLAG) == 0) return Error{Failure::denied, "GSSAPI: a context without integrity"};
  principal_ = shown.text();
  confidential_ = (flags & GSS_C_CONF_FLAG) != 0;
  return step;
}

Result<GssInitiator> GssInitiator::create(const std::string& service) {
  gss_buffer_desc buffer = lend(service);
  OM_uint32 minor = 0;
  gss_name_t name = GSS_C_NO_NAME;
  const OM_uint32 major = gss_import_name(&minor, &buffer, GSS_C_NT_HOSTBASED_SERVICE, &name);
  if (GSS_ERROR(major)) return gssError(service.c_str(), major, minor);
  return GssInitiator(GssNamePtr(name));
}

Result<GssStep> GssInitiator::step(OctetSpan token) {
  gss_buffer_desc input = lend(token);
  OM_uint32 minor = 0;
  OM_uint32 flags = 0;
  gss_ctx_id_t context = context_.release();
  GssBuffer output;
  constexpr OM_uint32 wanted =
      GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG;
  const OM_uint32 major = gss_init_sec_context(
      &minor, GSS_C_NO_CREDENTIAL, &context, target_.get(), const_cast<gss_OID>(gss_mech_krb5), wanted,
      GSS_C_INDEFINITE, GSS_C_NO_CHANNEL_BINDINGS, &input, nullptr, output.get(), &flags, nullptr);
  context_.reset(context);
  if (GSS_ERROR(major)) return gssError("GSSAPI", major, minor);
  confidential_ = (flags & GSS_C_CONF_FLAG) != 0;
  const bool complete = (major & GSS_S_CONTINUE_NEEDED) == 0;
  if (complete &&
      (flags & (GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG)) != (GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG)) {
    return Error{Failure::denied, "GSSAPI: the gateway has not shown who it is"};
  }
  return GssStep{output.copy(), complete};
}

}  // namespace crossgate
