// SPDX-License-Identifier: BSD-2-Clause
#include "t/bench/client.h"

#include <cerrno>

namespace crossgate::bench {
namespace {

// Reads until `decode` has a whole message.  The server never has more to say than that message:
// what follows it is the destination's, which waits for its Order.
template <class Message>
Task<int> readMessage(Stream& stream, Decoded<Message> (*decode)(Reader&), Message& message) {
  std::array<std::uint8_t, 600> buffer;
  std::size_t filled = 0;
  for (;;) {
    const long got = co_await stream.read(std::span(buffer).subspan(filled));
    if (got == 0) co_return ECONNRESET;
    if (got < 0) co_return static_cast<int>(-got);
    filled += static_cast<std::size_t>(got);
    Reader reader({buffer.data(), filled});
    auto decoded = decode(reader);
    if (!decoded) co_return EPROTO;
    if (!decoded->has_value()) continue;
    message = **std::move(decoded);
    co_return reader.remaining() == 0 ? 0 : EPROTO;
  }
}

}  // namespace

Client::Client(Loop& loop, Route route) : loop_(loop), route_(std::move(route)) {
  if (!route_.tls) return;
  tls_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_verify(tls_.get(), SSL_VERIFY_NONE, nullptr);  // its cost is the client's, not the server's
  SSL_CTX_set_mode(tls_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(tls_.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  if (!route_.resume) return;
  SSL_CTX_set_session_cache_mode(tls_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_app_data(tls_.get(), this);
  SSL_CTX_sess_set_new_cb(tls_.get(), &Client::keepSession);
}

int Client::keepSession(SSL* ssl, SSL_SESSION* session) {
  auto* self = static_cast<Client*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  self->session_.reset(session);
  return 1;  // the reference is ours now
}

Task<Opened> Client::open(socks5::Command command, Destination destination, TimePoint deadline) {
  Opened opened;
  const IpAddress* literal = destination.address();
  const Endpoint straight{literal ? *literal : IpAddress::loopback(Family::ipv4), destination.port};
  Connected connected = co_await connectTo(loop_, route_.gateway.value_or(straight), deadline);
  opened.error = connected.error;
  if (!connected.stream) co_return opened;
  opened.stream = std::move(connected.stream);
  if (!route_.direct()) {
    const socks5::Request request{command, std::move(destination)};
    opened.error = co_await converse(*opened.stream, request, opened);
  }
  if (opened.error) opened.stream.reset();
  co_return opened;
}

Task<int> Client::converse(Stream& stream, const socks5::Request& request, Opened& opened) {
  if (tls_) {
    if (const int error = co_await stream.startTls(tls_.get(), session_.get())) co_return error;
    ++handshakes_;
    if (SSL_session_reused(stream.ssl())) ++resumed_;
  }
  if (const int error = co_await authenticate(stream)) co_return error;
  Octets octets;
  encode(request, octets);
  if (const int error = co_await stream.writeAll(octets)) co_return error;
  socks5::Reply reply;
  if (const int error = co_await readMessage(stream, socks5::decodeReply, reply)) co_return error;
  opened.code = reply.code;
  opened.bound = reply.bound;
  co_return reply.code == socks5::ReplyCode::succeeded ? 0 : ECONNREFUSED;
}

Task<int> Client::authenticate(Stream& stream) {
  const auto method = route_.credentials ? socks5::Method::userpass : socks5::Method::none;
  Octets octets;
  socks5::Greeting greeting;
  greeting.methods.push_back(method);
  encode(greeting, octets);
  if (const int error = co_await stream.writeAll(octets)) co_return error;
  socks5::MethodSelection selection;
  if (const int error = co_await readMessage(stream, socks5::decodeMethodSelection, selection))
    co_return error;
  if (selection.method != method) co_return EACCES;
  if (!route_.credentials) co_return 0;
  octets.clear();
  encode(*route_.credentials, octets);
  if (const int error = co_await stream.writeAll(octets)) co_return error;
  socks5::CredentialsStatus status;
  if (const int error = co_await readMessage(stream, socks5::decodeCredentialsStatus, status))
    co_return error;
  co_return status.status == 0 ? 0 : EACCES;
}

}  // namespace crossgate::bench
