// SPDX-License-Identifier: BSD-2-Clause
#include "lib/socks_client.h"

#include "lib/socks4.h"

namespace crossgate {
namespace {

constexpr std::size_t socks4ReplySize = 8;
// The fixed part of a SOCKS5 reply and one octet more, which is the length of a domain name; no
// reply is shorter than that (RFC 1928, section 6).
constexpr std::size_t replyHeadSize = 5;

std::size_t replySize(OctetSpan head) {
  constexpr std::size_t fixed = 4 + 2;  // VER, REP, RSV, ATYP; BND.PORT
  switch (head[3]) {
    case 1: return fixed + 4;
    case 4: return fixed + 16;
    case 3: return fixed + 1 + head[4];
    default: return replyHeadSize;  // decoding it will say what is wrong
  }
}

Result<void> checkSocks5(const std::optional<socks5::Credentials>& credentials) {
  if (!credentials) return {};
  if (credentials->user.empty() || credentials->user.size() > 0xff || credentials->password.size() > 0xff) {
    return Error{Failure::invalid,
                 "SOCKS5 wants a user name of 1 to 255 octets and a password of at most 255"};
  }
  return {};
}

Result<void> checkSocks4(const SocksClient::Options& options, const socks5::Request& request) {
  if (request.command != socks5::Command::connect && request.command != socks5::Command::bind) {
    return Error{Failure::unsupportedCommand, "SOCKS4 has no other commands than CONNECT and BIND"};
  }
  if (options.dialect == SocksClient::Dialect::socks4 && socks4::needsName(request.destination)) {
    return Error{Failure::unsupportedAddress, "SOCKS4 without A carries IPv4 addresses only"};
  }
  if (!options.credentials) return {};
  const std::string& user = options.credentials->user;
  if (user.size() > socks4::maxUserOctets || user.find('\0') != user.npos) {
    return Error{Failure::invalid, "SOCKS4 wants a user id of at most 255 octets without NUL"};
  }
  return {};
}

// SOCKS4 knows one general code, and two about the client's identity.
socks5::ReplyCode socks5CodeOf(socks4::ReplyCode code) {
  switch (code) {
    case socks4::ReplyCode::granted: return socks5::ReplyCode::succeeded;
    case socks4::ReplyCode::noIdentd:
    case socks4::ReplyCode::identdMismatch: return socks5::ReplyCode::notAllowed;
    case socks4::ReplyCode::rejected: return socks5::ReplyCode::generalFailure;
  }
  return socks5::ReplyCode::generalFailure;
}

}  // namespace

Result<SocksClient> SocksClient::create(Options options, socks5::Request request) {
  const std::string* name = request.destination.name();
  if (name != nullptr && !isValidName(*name)) {
    return Error{Failure::invalid, "a domain name has 1 to 255 octets and no NUL"};
  }
  const auto checked =
      options.dialect == Dialect::socks5 ? checkSocks5(options.credentials) : checkSocks4(options, request);
  if (!checked) return checked.error();
  return SocksClient(std::move(options), std::move(request));
}

SocksClient::SocksClient(Options options, socks5::Request request)
    : options_(std::move(options)), request_(std::move(request)) {
  if (!isSocks5() || options_.authenticated) {
    state_ = State::reply;
    writeRequest();
    return;
  }
  writeGreeting();
  if (!options_.pipeline) return;
  if (options_.credentials) writeCredentials();
  writeRequest();
}

void SocksClient::writeGreeting() {
  socks5::Greeting greeting;
  if (options_.credentials) greeting.methods.push_back(socks5::Method::userpass);
  if (!options_.credentials || !options_.pipeline) greeting.methods.push_back(socks5::Method::none);
  if (options_.passedGateways > 0)
    greeting.methods.push_back(socks5::passedMethod(options_.passedGateways));
  encode(greeting, out_);
}

void SocksClient::writeCredentials() { encode(*options_.credentials, out_); }

void SocksClient::writeRequest() {
  if (isSocks5()) {
    encode(request_, out_);
    return;
  }
  const auto command =
      request_.command == socks5::Command::bind ? socks4::Command::bind : socks4::Command::connect;
  std::string user = options_.credentials ? options_.credentials->user : std::string();
  encode(socks4::Request{command, request_.destination, std::move(user)}, out_);
}

OctetSpan SocksClient::output() const noexcept { return OctetSpan(out_).subspan(outSent_); }

void SocksClient::sent(std::size_t octets) noexcept {
  ensure(octets <= out_.size() - outSent_);
  outSent_ += octets;
  if (outSent_ < out_.size()) return;
  out_.clear();
  outSent_ = 0;
}

std::size_t SocksClient::messageSize() const noexcept {
  if (state_ != State::reply) return 2;
  if (!isSocks5()) return socks4ReplySize;
  return in_.size() < replyHeadSize ? replyHeadSize : replySize(in_);
}

std::size_t SocksClient::wanted() const noexcept {
  return done() || !output().empty() ? 0 : messageSize() - in_.size();
}

Result<void> SocksClient::received(OctetSpan octets) {
  ensure(octets.size() <= wanted());
  Writer(in_).octets(octets);
  if (done() || in_.size() < messageSize()) return {};
  auto result = takeMessage();
  in_.clear();
  return result;
}

Result<void> SocksClient::takeMessage() {
  switch (state_) {
    case State::methodSelection: return takeMethod();
    case State::credentialsStatus: return takeCredentialsStatus();
    case State::reply: return isSocks5() ? takeReply() : takeSocks4Reply();
    case State::done: break;
  }
  return {};
}

Result<void> SocksClient::takeMethod() {
  Reader reader(in_);
  const auto selection = socks5::decodeMethodSelection(reader);
  if (!selection) return selection.error();
  const socks5::Method method = (*selection)->method;
  method_ = method;
  if (method == socks5::Method::noAcceptable) {
    return Error{Failure::denied, options_.credentials
                                      ? "the server accepts none of the methods offered"
                                      : "the server accepts no client without authentication"};
  }
  if (method == socks5::Method::userpass && options_.credentials) {
    state_ = State::credentialsStatus;
    if (!options_.pipeline) writeCredentials();
    return {};
  }
  if (method == socks5::Method::none && !(options_.credentials && options_.pipeline)) {
    state_ = State::reply;
    if (!options_.pipeline) writeRequest();
    return {};
  }
  return malformed("the server chose a method that was not offered");
}

Result<void> SocksClient::takeCredentialsStatus() {
  Reader reader(in_);
  const auto status = socks5::decodeCredentialsStatus(reader);
  if (!status) return status.error();
  if ((*status)->status != 0) {
    return Error{Failure::denied, "the server refused the user name or the password"};
  }
  state_ = State::reply;
  if (!options_.pipeline) writeRequest();
  return {};
}

Result<void> SocksClient::takeReply() {
  Reader reader(in_);
  auto reply = socks5::decodeReply(reader);
  if (!reply) {
    // Some servers put no valid address into a failure; what failed is told all the same.
    const socks5::ReplyCode code{in_[1]};
    if (in_[0] != socks5::version || code == socks5::ReplyCode::succeeded) return reply.error();
    reply = std::optional(socks5::Reply{code, {}});
  }
  // messageSize() and the decoder both know how long a reply is.
  ensure(reply->has_value());
  reply_ = *std::move(*reply);
  state_ = State::done;
  return {};
}

Result<void> SocksClient::takeSocks4Reply() {
  Reader reader(in_);
  const auto reply = socks4::decodeReply(reader);
  if (!reply) return reply.error();
  const Endpoint& bound = (*reply)->bound;
  reply_ = {socks5CodeOf((*reply)->code), {bound.address, bound.port}};
  state_ = State::done;
  return {};
}

Error SocksClient::closedEarly() const {
  switch (state_) {
    case State::methodSelection: return {Failure::peerGone, "the server closed before it chose a method"};
    case State::credentialsStatus:
      return {Failure::denied, "the server closed instead of accepting the user name and password"};
    case State::reply: break;
    case State::done: return {Failure::peerGone, "the server closed after its reply"};
  }
  // Half a reply may have told already what failed.
  const socks5::ReplyCode code =
      isSocks5() && in_.size() >= 2 ? socks5::ReplyCode{in_[1]} : socks5::ReplyCode{};
  if (code == socks5::ReplyCode::succeeded) return {Failure::peerGone, "the server closed before its reply"};
  return {socks5::failureOf(code), "the server closed in the middle of a reply that tells a failure"};
}

void SocksClient::expectSecondReply() {
  ensure(done() && request_.command == socks5::Command::bind && reply_.code == socks5::ReplyCode::succeeded);
  state_ = State::reply;
}

}  // namespace crossgate
