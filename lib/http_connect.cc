// SPDX-License-Identifier: BSD-2-Clause
#include "lib/http_connect.h"

#include <algorithm>
#include <array>

namespace crossgate {
namespace {

constexpr std::string_view versionPrefix = "HTTP/1.";
constexpr std::string_view terminator = "\r\n\r\n";
// "HTTP/1.1 200": the digits of the status are the last three.
constexpr std::size_t statusEnd = 12;

bool isDigit(char c) { return c >= '0' && c <= '9'; }

// RFC 3986, section 3.2.2; nothing that could end the name, the line, or the header.
bool fitsAuthority(std::string_view name) {
  return isValidName(name) && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c < '\x7f' && std::string_view("\"/:<>?@[\\]^`{|}#%").find(c) == std::string_view::npos;
  });
}

// RFC 4648, section 4.
std::string base64(std::string_view data) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (; !data.empty(); data.remove_prefix(std::min<std::size_t>(3, data.size()))) {
    const std::size_t have = std::min<std::size_t>(3, data.size());
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) group = group << 8 | (i < have ? static_cast<std::uint8_t>(data[i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) out += i <= have ? alphabet[group >> (18 - 6 * i) & 0x3f] : '=';
  }
  return out;
}

// How much of the terminator stands at the end already.
std::size_t terminatorSeen(OctetSpan head) {
  const std::string_view text = textOf(head);
  std::size_t seen = terminator.size();
  while (!text.ends_with(terminator.substr(0, seen))) --seen;
  return seen;
}

Result<unsigned> statusOf(std::string_view head) {
  const bool wellFormed = head.size() > statusEnd && head.starts_with(versionPrefix) && isDigit(head[7]) &&
                          head[8] == ' ' && head[9] >= '1' && isDigit(head[9]) && isDigit(head[10]) &&
                          isDigit(head[11]) && (head[statusEnd] == ' ' || head[statusEnd] == '\r');
  if (!wellFormed) return malformed("the proxy's response has no status");
  return static_cast<unsigned>((head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0'));
}

socks5::ReplyCode replyCodeOf(unsigned status) {
  if (status / 100 == 2) return socks5::ReplyCode::succeeded;
  switch (status) {
    case 403:
    case 405: return socks5::ReplyCode::notAllowed;
    case 404:
    case 502:
    case 503: return socks5::ReplyCode::hostUnreachable;
    case 504: return socks5::ReplyCode::ttlExpired;
    default: return socks5::ReplyCode::generalFailure;
  }
}

}  // namespace

Result<HttpConnect> HttpConnect::create(const std::optional<socks5::Credentials>& credentials,
                                        const socks5::Request& request) {
  if (request.command != socks5::Command::connect)
    return Error{Failure::unsupportedCommand, "HTTP has no other command than CONNECT"};
  const std::string* name = request.destination.name();
  if (name != nullptr && !fitsAuthority(*name))
    return Error{Failure::invalid, "HTTP carries no name with such octets"};
  if (credentials && credentials->user.find(':') != std::string::npos)
    return Error{Failure::invalid, "HTTP wants a user name without a colon"};
  const std::string authority = request.destination.toString();
  std::string text = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
  if (credentials)
    text += "Proxy-Authorization: Basic " + base64(credentials->user + ':' + credentials->password) + "\r\n";
  Octets out;
  Writer(out).text(text + "\r\n");
  return HttpConnect(std::move(out));
}

void HttpConnect::sent(std::size_t octets) noexcept {
  ensure(octets <= output().size());
  outSent_ += octets;
}

std::size_t HttpConnect::wanted() const noexcept {
  return done_ || !output().empty() ? 0 : terminator.size() - terminatorSeen(in_);
}

Result<void> HttpConnect::received(OctetSpan octets) {
  ensure(octets.size() <= wanted());
  Writer(in_).octets(octets);
  const std::string_view begin = textOf(in_).substr(0, versionPrefix.size());
  if (!versionPrefix.starts_with(begin)) return malformed("the proxy does not answer in HTTP/1");
  if (terminatorSeen(in_) == terminator.size()) return takeHead();
  if (earlier_ + in_.size() >= maxHeadOctets) return malformed("the head of the proxy's response is too long");
  return {};
}

Result<void> HttpConnect::takeHead() {
  const auto status = statusOf(textOf(in_));
  if (!status) return status.error();
  earlier_ += in_.size();
  in_.clear();
  // tinyproxy says 401 of a wrong password, 407 where there is none.
  if (*status == 407 || *status == 401)
    return Error{Failure::denied, "the proxy wants another user name or password"};
  if (*status / 100 == 1) {  // RFC 9110, section 15.2: others may precede the one that counts
    if (earlier_ >= maxHeadOctets) return malformed("the proxy's responses have no end");
    return {};
  }
  reply_ = {replyCodeOf(*status), {IpAddress(), 0}};
  done_ = true;
  return {};
}

Error HttpConnect::closedEarly() const { return {Failure::peerGone, "the proxy closed before its response"}; }

}  // namespace crossgate
