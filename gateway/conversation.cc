// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/conversation.h"

#include <algorithm>

#include "gateway/associate.h"
#include "gateway/gss_stream.h"
#include "gateway/negotiate.h"
#include "gateway/proxy_header.h"
#include "gateway/secrets.h"
#include "gateway/socket_owner.h"
#include "gateway/tls_stream.h"
#include "gateway/unless_peer_leaves.h"

namespace crossgate {
namespace {

constexpr std::chrono::seconds replyTimeout{10};
constexpr std::chrono::seconds farewellTime{2};

bool serves(const ListenerConfig& listener, SocksVersion version) {
  return version == SocksVersion::socks4 ? listener.socks4 : listener.socks5;
}

// What a client only says of itself must not be taken for what a method has verified.
std::string claimedUser(const std::string& userId) { return userId.empty() ? "" : "socks4:" + userId; }

}  // namespace

Conversation::Conversation(Services& services, const ListenerConfig& listener, Parties& parties)
    : services_(services),
      listener_(listener),
      parties_(parties),
      client_(parties.client),
      inbox_(parties.inbox),
      record_(parties.record) {}

Conversation::~Conversation() {
  wipe(record_.who.password);
  if (!outbound_) return;
  record_.route = outbound_->text();
  parties_.chain = outbound_->release();
}

Task<void> Conversation::hold() {
  Result<void> outcome = co_await begin();
  if (outcome) outcome = judge();
  if (outcome) outcome = co_await serve();
  if (!outcome) co_await refuse(outcome.error());
}

// Up to the request.
Task<Result<void>> Conversation::begin() {
  const Deadline deadline = in(services_.config.timeouts.negotiate);
  if (auto owned = checkClientsOwner(); !owned) co_return owned;
  if (auto introduced = co_await introduce(deadline); !introduced) co_return introduced;
  if (const auto secured = co_await secure(deadline); !secured) co_return secured;
  const auto version = co_await recogniseVersion(*client_, inbox_, deadline);
  if (!version) co_return version.error();
  request_.version = *version;
  if (!serves(listener_, *version))
    co_return Error{Failure::denied, "a version this listener does not serve"};
  if (auto known = co_await identify(deadline); !known) co_return known;

  auto request = co_await readRequest(*client_, inbox_, *version, deadline);
  if (!request) {
    owesReply_ = request.error().failure == Failure::unsupportedCommand ||
                 request.error().failure == Failure::unsupportedAddress;
    co_return request.error();
  }
  owesReply_ = true;
  request_ = *std::move(request);
  if (record_.who.user.empty()) record_.who.user = claimedUser(request_.userId);
  record_.command = request_.command;
  record_.destination = request_.destination;
  co_return Result<void>{};
}

// On a listener that serves one user of this host: whether the client is a process of that user's.
Result<void> Conversation::checkClientsOwner() {
  if (!listener_.owner) return {};
  const auto ours = localEndpoint(client_->socket().fd());
  if (!ours) return systemError("getsockname", errno);
  return checkOwner(*listener_.owner, SocketKind::stream, record_.client, *ours);
}

// Behind a load balancer: whose client this is.
Task<Result<void>> Conversation::introduce(Deadline deadline) {
  if (!listener_.proxyFrom || !listener_.proxyFrom->matches(record_.client)) co_return Result<void>{};
  const auto header = co_await receive(*client_, inbox_, decodeProxyHeader, deadline, longestProxyHeader);
  if (!header) co_return header.error();
  if (header->client) record_.client = header->client->unmapped();
  co_return Result<void>{};
}

// TLS, where the listener has it or the client begins with it.
Task<Result<void>> Conversation::secure(Deadline deadline) {
  const Config& config = services_.config;
  if (!listener_.tls) {
    if (!config.tls.detect) co_return Result<void>{};
    const auto isTls = co_await beginsWith(*client_, inbox_, tlsHandshakeRecord, deadline);
    if (!isTls) co_return isTls.error();
    if (!*isTls) co_return Result<void>{};
  }
  const TlsServer& server = *config.secrets->tls;
  SslPtr ssl = server.open();
  if (!ssl) co_return Error{Failure::exhausted, "no memory for TLS"};
  auto stream = std::make_unique<TlsStream>(std::move(client_), std::move(ssl), inbox_.unread());
  TlsStream& tls = *stream;
  client_ = std::move(stream);
  inbox_.clear();
  if (const auto done = co_await tls.handshake(deadline); !done) co_return done;
  record_.tls = tls.version();
  const auto user = server.userOf(tls.ssl());
  if (!user) co_return user.error();
  if (*user) record_.who.user = **user;
  co_return Result<void>{};
}

// Who the client is, by the first method that both sides know.
Task<Result<void>> Conversation::identify(Deadline deadline) {
  const auto offered = offeredMethods(services_.config.auth.methods, record_.client, record_.tls != nullptr);
  if (request_.version == SocksVersion::socks4) {
    if (std::find(offered.begin(), offered.end(), socks5::Method::none) != offered.end())
      co_return Result<void>{};
    co_return Error{Failure::denied, "SOCKS4 knows no authentication, and the client needs one"};
  }
  const auto agreed = co_await negotiate(*client_, inbox_, offered, deadline);
  if (!agreed) co_return agreed.error();
  record_.who.method = agreed->method;
  record_.who.keepPassword = services_.config.routes.passesLogins();
  passedGateways_ = agreed->passedGateways;
  if (agreed->method == socks5::Method::gssapi) co_return co_await identifyByGss(deadline);
  co_return co_await authenticate(services_.loginDesk, *client_, inbox_, record_.client.address, record_.who,
                                  deadline);
}

// From here on all that the client sends and is sent is encapsulated, where that was agreed on.
Task<Result<void>> Conversation::identifyByGss(Deadline deadline) {
  auto session = co_await acceptGss(services_.gssDesk, *client_, inbox_, services_.config.gss, deadline);
  if (!session) co_return session.error();
  record_.who.user = std::move(session->user);
  record_.gss = toString(session->level);
  if (!session->seal) co_return Result<void>{};
  client_ = std::make_unique<GssStream>(std::move(client_), std::move(session->seal), inbox_.unread());
  inbox_.clear();
  co_return Result<void>{};
}

// TLS protects the conversation, and would not protect the datagrams that belong to it.
Result<void> Conversation::checkUdp() const {
  const bool bare = request_.command == Command::udp && record_.tls != nullptr && !client_->datagrams();
  if (!bare || services_.config.tls.udp) return {};
  return Error{Failure::denied, "UDP ASSOCIATE inside TLS, whose datagrams would not be protected (tls.udp)"};
}

// May this client do this with that destination, as far as it is known yet?
Result<void> Conversation::judge() {
  if (auto safe = checkUdp(); !safe) return safe;
  asked_.emplace(Authorization{services_.config.access,
                               services_.ownAddresses,
                               {record_.client, record_.who.user, record_.who.method, record_.tls != nullptr},
                               request_.command,
                               request_.destination,
                               parties_.claims,
                               services_.log,
                               record_.id});
  Outbound::Passenger passenger{{}, passedGateways_};
  if (record_.who.method == socks5::Method::userpass)
    passenger.login = socks5::Credentials{record_.who.user, record_.who.password};
  outbound_.emplace(services_, *asked_, std::move(passenger));
  return outbound_->authorize();
}

Task<Result<void>> Conversation::serve() {
  switch (request_.command) {
    case Command::connect: return connect();
    case Command::resolve: return resolveName();
    case Command::bind: return bind();
    case Command::udp: return associate();
  }
  ensure(false);
  return {};
}

Task<Result<void>> Conversation::connect() {
  auto server = co_await unlessPeerLeaves(*client_, inbox_,
                                          outbound_->connect(in(services_.config.timeouts.connect)));
  if (!server) co_return server.error();
  const Endpoint local = server->local;
  co_return co_await join(*std::move(server), local);
}

Task<Result<void>> Conversation::bind() {
  const Config& config = services_.config;
  const IpAddress clientSide = localEndpoint(client_->socket().fd()).value_or(Endpoint{}).address;
  const auto onStranger = [this](const Endpoint& from) { logStranger(from); };
  auto rendezvous = co_await unlessPeerLeaves(
      *client_, inbox_, outbound_->listen(clientSide, onStranger, in(config.timeouts.connect)));
  if (!rendezvous) co_return rendezvous.error();
  if (auto told = co_await tell((*rendezvous)->place()); !told) co_return told;
  owesReply_ = true;  // the second one
  auto peer = co_await unlessPeerLeaves(*client_, inbox_, (*rendezvous)->peer(in(config.bind.timeout)));
  if (!peer) co_return peer.error();
  rendezvous->reset();
  const Endpoint from = peer->peer;
  co_return co_await join(*std::move(peer), from);
}

// A BIND that strangers knock at a lot must not fill the log.
void Conversation::logStranger(const Endpoint& from) {
  constexpr unsigned most = 5;
  if (++strangers_ > most) return;
  services_.log.line(LogLevel::warning)
      .field("event", "not the expected peer")
      .field("relay", record_.id)
      .field("peer", from.toString());
}

// Tells success; what is left to do then is to relay.
Task<Result<void>> Conversation::join(Connection server, Endpoint bound) {
  record_.address = server.peer;
  auto told = co_await tell({bound.address.unmapped(), bound.port});
  if (told) parties_.destination = std::move(server.stream);
  co_return told;
}

Task<Result<void>> Conversation::associate() {
  const IpAddress local = localEndpoint(client_->socket().fd()).value_or(Endpoint{}).address.unmapped();
  record_.datagrams = std::make_unique<DatagramCounts>();
  DatagramCounts& counts = *record_.datagrams;
  auto association = Association::open(services_.loop, services_.config.associate, local,
                                       record_.client.address, request_.destination, listener_.owner, counts);
  if (!association) co_return association.error();
  auto destination = co_await unlessPeerLeaves(*client_, inbox_, outbound_->associate(counts, in(services_.config.timeouts.connect)));
  if (!destination) co_return destination.error();
  if (auto told = co_await tell((*association)->place()); !told) co_return told;
  record_.result = "relaying";
  record_.result = toString(co_await (*association)->serve(*client_, **destination));
  co_return Result<void>{};
}

Task<Result<void>> Conversation::resolveName() {
  const Deadline deadline = in(services_.config.timeouts.connect);
  // A SOCKS4 reply has no room for an IPv6 address.
  const Preference prefer =
      request_.version == SocksVersion::socks4 ? Preference::ipv4Only : services_.config.dial.prefer;
  const auto found = co_await unlessPeerLeaves(*client_, inbox_,
                                               outbound_->resolve(request_.reverse, prefer, deadline));
  if (!found) co_return found.error();
  // A literal, or what a hop has answered, may be one all the same; so may a name.
  const bool fits = found->address() != nullptr && found->address()->unmapped().isV4();
  if (request_.version == SocksVersion::socks4 && !fits)
    co_return Error{Failure::unsupportedAddress, "no room for " + found->hostText() + " in a SOCKS4 reply"};
  if (const IpAddress* address = found->address()) record_.address = Endpoint{*address, found->port};
  if (auto told = co_await tell(*found); !told) co_return told;
  record_.result = "ok";
  co_await farewell();
  co_return Result<void>{};
}

// The reply that tells success; after it there is no other to tell.
Task<Result<void>> Conversation::tell(Destination bound) {
  owesReply_ = false;
  co_return co_await replySuccess(*client_, request_.version, std::move(bound), in(replyTimeout));
}

// Ends a session that came to nothing: tells the client where it can be told.
Task<void> Conversation::refuse(Error error) {
  record_.failed(error);
  if (error.failure == Failure::peerGone) co_return;
  if (owesReply_) {
    const auto told = co_await replyFailure(*client_, request_.version, error.failure, in(replyTimeout));
    if (!told) co_return;
  }
  co_await farewell();
}

// Ends our direction and takes what the client still sends, because closing with unread octets resets
// the connection and the reply would be lost with it.
Task<void> Conversation::farewell() {
  (void)client_->finish();
  co_await discard(*client_, in(farewellTime));
}

}  // namespace crossgate
