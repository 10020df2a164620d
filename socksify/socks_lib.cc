// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/socks_lib.h"

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "socksify/cancellation.h"
#include "socksify/hosts_file.h"
#include "socksify/real.h"

namespace crossgate::socksify {
namespace {

constexpr std::uint16_t dnsPort = 53;
constinit std::atomic<bool> begun{false};

void writeLine(const char* format, va_list arguments) noexcept {
  const KeepErrno keep;
  const Uncancelled whole;
  char line[1024];
  const int head = std::snprintf(line, sizeof line, "socksify[%d]: ", ::getpid());
  const auto used = static_cast<std::size_t>(head);
  const int body = std::vsnprintf(line + used, sizeof line - used - 1, format, arguments);
  std::size_t length = std::min(used + static_cast<std::size_t>(std::max(body, 0)), sizeof line - 2);
  line[length++] = '\n';
  // One write, so that the lines of several processes do not mix.
  if (real().write(STDERR_FILENO, line, length) < 0) return;
}

std::string ownHostName() {
  char name[256] = "";
  if (::gethostname(name, sizeof name - 1) != 0) return {};
  return canonicalName(name);
}

}  // namespace

// Built in place: an object with static storage would be destroyed while the program still runs.
SocksLib& SocksLib::get() noexcept {
  alignas(SocksLib) static unsigned char place[sizeof(SocksLib)];
  static SocksLib* lib = new (place) SocksLib;
  return *lib;
}

void SocksLib::awaitBeginning() noexcept {
  if (begun.load(std::memory_order_acquire)) get();
}

SocksLib::SocksLib() : hostName_(ownHostName()) {
  const KeepErrno keep;
  const Uncancelled whole;
  begun.store(true, std::memory_order_release);
  if (auto config = loadConfig(); config) {
    config_ = *std::move(config);
    if (config_.gatewayHost.empty()) trouble_ = "no gateway is configured; set SOCKS5_SERVER=host:port";
    if (config_.needsPrivateGateway() && !config_.relayed) trouble_ = "the way to the gateway was lost: run socksify";
  } else {
    trouble_ = config.error().detail;
  }
  TreeMemory* memory = TreeMemory::open(::secure_getenv("SOCKSIFY_TABLE"));
  if (memory == nullptr) std::abort();  // no address space for a few sparse pages: nothing can be kept safe
  names_.emplace(memory->mapping, config_.fakeIpv4, config_.fakeIpv6);
  sockets_.emplace(memory->sockets);
}

bool SocksLib::isLocalName(const std::string& name, std::uint16_t port) const {
  const std::string canonical = canonicalName(name);
  // The C library would ask a name server for those that are not in the file.
  if ((isLocalhost(canonical) || canonical == hostName_) && isInHostsFile(canonical)) return true;
  return config_.isDirect(&canonical, nullptr, port);
}

void SocksLib::noteOwnAnswer(const std::string& canonicalName, const IpAddress& address) {
  if (config_.direct.empty()) return;
  const OwnAnswer* known = ownAnswers_.load(std::memory_order_acquire);
  for (const OwnAnswer* one = known; one != nullptr; one = one->next) {
    if (one->address == address && one->name == canonicalName) return;
  }
  auto answer = std::make_unique<OwnAnswer>(OwnAnswer{canonicalName, address, known});
  while (!ownAnswers_.compare_exchange_weak(answer->next, answer.get(), std::memory_order_acq_rel)) continue;
  answer.release();
}

// The pattern is asked again: it may be for some ports only.
bool SocksLib::isOfDirectName(const Endpoint& endpoint) const {
  for (const OwnAnswer* one = ownAnswers_.load(std::memory_order_acquire); one != nullptr; one = one->next) {
    if (one->address == endpoint.address && config_.isDirect(&one->name, nullptr, endpoint.port)) return true;
  }
  return false;
}

bool isLocalhost(const std::string& name) noexcept {
  return name == "localhost" || name.ends_with(".localhost") || name == "ip6-localhost" ||
         name == "ip6-loopback";
}

Route SocksLib::routeTo(const Endpoint& peer, bool stream) {
  Route route;
  route.address = peer;
  const auto refuse = [&](int error) {
    route.kind = Route::Kind::refused;
    route.error = error;
    return route;
  };
  const IpAddress plain = peer.address.unmapped();
  const bool fake = names_->isFake(plain);
  const auto name = fake ? names_->lookup(plain) : std::nullopt;
  if (fake && !name) {
    tell("%s is a fake address that nobody here was given", peer.toString().c_str());
    return refuse(EHOSTUNREACH);
  }
  const bool loopback = !fake && (plain.isLoopback() || plain.isUnspecified());
  // A resolver on the loopback would carry the program's questions out, past the Gateway.
  if (loopback && peer.port != dnsPort) return route;
  if (!trouble_.empty()) {
    warnOnce("refusing every connection: %s", trouble_.c_str());
    return refuse(ECONNREFUSED);
  }
  if (loopback) {
    if (config_.isDirectByPort({plain, peer.port})) return route;
    tell("%s is refused: it would be asked past the gateway, and `direct` does not name its port",
         peer.toString().c_str());
    return refuse(ENETUNREACH);
  }
  // A literal of the family that the program can't hold is behind a fake, and an address all the same.
  const auto literal = name ? IpAddress::parse(*name) : fake ? std::nullopt : std::optional(plain);
  if (config_.isDirect(literal ? nullptr : &*name, literal ? &*literal : nullptr, peer.port) ||
      (!fake && isOfDirectName({plain, peer.port}))) {
    if (fake) route.destination = Destination{*name, peer.port};
    return route;
  }
  if (!stream && !config_.udp) return refuse(ENETUNREACH);
  route.kind = Route::Kind::gateway;
  route.destination = fake ? Destination::of(*name, peer.port) : Destination{plain, peer.port};
  return route;
}

Result<std::vector<Endpoint>> SocksLib::gatewayAddresses() {
  if (const auto* known = gateway_.load(std::memory_order_acquire)) return *known;
  const Uncancelled whole;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = real().getaddrinfo(config_.gatewayHost.c_str(), nullptr, &hints, &list);
  if (code != 0) {
    return Error{Failure::noSuchName, "gateway " + config_.gatewayHost + ": " + ::gai_strerror(code)};
  }
  std::vector<Endpoint> found;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (auto endpoint = Endpoint::from(entry->ai_addr, entry->ai_addrlen)) {
      endpoint->port = config_.gatewayPort;
      found.push_back(*endpoint);
    }
  }
  real().freeaddrinfo(list);
  auto kept = std::make_unique<const std::vector<Endpoint>>(found);
  const std::vector<Endpoint>* none = nullptr;
  if (gateway_.compare_exchange_strong(none, kept.get(), std::memory_order_acq_rel)) kept.release();
  return found;
}

bool SocksLib::isGateway(const Endpoint& endpoint) {
  if (endpoint.port != config_.gatewayPort || config_.gatewayHost.empty()) return false;
  const auto addresses = gatewayAddresses();
  return addresses &&
         std::find(addresses->begin(), addresses->end(), endpoint.unmapped()) != addresses->end();
}

SocksClient::Options SocksLib::clientOptions() const {
  SocksClient::Options options;
  options.credentials = config_.credentials;
  options.pipeline = config_.pipeline;
  return options;
}

void tell(const char* format, ...) noexcept {
  if (!SocksLib::get().config().verbose) return;
  va_list arguments;
  va_start(arguments, format);
  writeLine(format, arguments);
  va_end(arguments);
}

void warnOnce(const char* format, ...) noexcept {
  static std::atomic<bool> warned{false};
  if (warned.exchange(true)) return;
  va_list arguments;
  va_start(arguments, format);
  writeLine(format, arguments);
  va_end(arguments);
}

int errnoOf(Failure failure) noexcept {
  switch (failure) {
    case Failure::denied:
    case Failure::noCredentials: return EACCES;
    case Failure::networkUnreachable: return ENETUNREACH;
    case Failure::hostUnreachable:
    case Failure::noSuchName: return EHOSTUNREACH;
    case Failure::refused: return ECONNREFUSED;
    case Failure::timedOut: return ETIMEDOUT;
    case Failure::unsupportedCommand: return EOPNOTSUPP;
    case Failure::unsupportedAddress: return EAFNOSUPPORT;
    case Failure::exhausted: return ENOBUFS;
    case Failure::general:
    case Failure::malformed:
    case Failure::peerGone:
    case Failure::invalid: return ECONNABORTED;
  }
  return ECONNABORTED;
}

}  // namespace crossgate::socksify
