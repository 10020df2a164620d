// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/pam.h"

#include <security/pam_appl.h>

#include <cstdlib>
#include <cstring>
#include <memory>

namespace crossgate {
namespace {

// PAM frees the answers with free(3).
char* copyOf(const std::string& text) { return strdup(text.c_str()); }

void discard(pam_response* answers, int count) {
  for (int i = 0; i < count; ++i) std::free(answers[i].resp);
  std::free(answers);
}

// Answers the modules' questions: what is asked for in secret is the password, in clear the user.
int converse(int count, const pam_message** messages, pam_response** answers, void* context) noexcept {
  const auto& login = *static_cast<const LoginRequest*>(context);
  if (count <= 0 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
  auto* given =
      static_cast<pam_response*>(std::calloc(static_cast<std::size_t>(count), sizeof(pam_response)));
  if (given == nullptr) return PAM_BUF_ERR;
  for (int i = 0; i < count; ++i) {
    const int style = messages[i]->msg_style;
    if (style == PAM_ERROR_MSG || style == PAM_TEXT_INFO) continue;
    const bool known = style == PAM_PROMPT_ECHO_OFF || style == PAM_PROMPT_ECHO_ON;
    if (known) given[i].resp = copyOf(style == PAM_PROMPT_ECHO_OFF ? login.password : login.user);
    if (given[i].resp == nullptr) {
      discard(given, count);
      return known ? PAM_BUF_ERR : PAM_CONV_ERR;
    }
  }
  *answers = given;
  return PAM_SUCCESS;
}

// Failures are delayed by the helper, without holding up a checker.
void noDelay(int, unsigned, void*) noexcept {}

class Transaction {
 public:
  Transaction(const std::string& service, const LoginRequest& login)
      // PAM's callback takes a mutable pointer; converse() only reads.
      : conversation_{&converse, const_cast<LoginRequest*>(&login)} {
    status_ = pam_start(service.c_str(), login.user.c_str(), &conversation_, &handle_);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() {
    if (handle_ != nullptr) pam_end(handle_, status_);
  }

  int run(const std::string& source) {
    if (status_ != PAM_SUCCESS) return status_;
    pam_set_item(handle_, PAM_RHOST, source.c_str());
    pam_set_item(handle_, PAM_FAIL_DELAY, reinterpret_cast<const void*>(&noDelay));
    status_ = pam_authenticate(handle_, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
    if (status_ == PAM_SUCCESS) status_ = pam_acct_mgmt(handle_, PAM_SILENT);
    return status_;
  }

 private:
  pam_conv conversation_;
  pam_handle_t* handle_ = nullptr;
  int status_ = PAM_SUCCESS;
};

LoginVerdict verdictOf(int status) {
  switch (status) {
    case PAM_SUCCESS: return LoginVerdict::accepted;
    case PAM_ABORT:
    case PAM_AUTHINFO_UNAVAIL:
    case PAM_BUF_ERR:
    case PAM_CONV_ERR:
    case PAM_MODULE_UNKNOWN:
    case PAM_OPEN_ERR:
    case PAM_SERVICE_ERR:
    case PAM_SYMBOL_ERR:
    case PAM_SYSTEM_ERR: return LoginVerdict::unavailable;
    default: return LoginVerdict::rejected;
  }
}

}  // namespace

LoginVerdict checkWithPam(const std::string& service, const LoginRequest& login) {
  // PAM's texts end at a NUL: nobody may log in with the beginning of one.
  if (login.user.find('\0') != login.user.npos || login.password.find('\0') != login.password.npos) {
    return LoginVerdict::rejected;
  }
  return verdictOf(Transaction(service, login).run(login.source.toString()));
}

}  // namespace crossgate
