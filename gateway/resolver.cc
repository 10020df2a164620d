// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/resolver.h"

#include <algorithm>
#include <mutex>

namespace crossgate {
namespace {

struct AddrinfoDeleter {
  void operator()(ares_addrinfo* answer) const noexcept { ares_freeaddrinfo(answer); }
};

Error errorOf(int status, const std::string& asked) {
  const std::string detail = asked + ": " + ares_strerror(status);
  switch (status) {
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME: return {Failure::noSuchName, detail};
    case ARES_ETIMEOUT: return {Failure::timedOut, detail};
    default: return {Failure::general, detail};
  }
}

}  // namespace

// What c-ares has found in the files of the system.
struct Resolver::Defaults {
  std::string lookups;  // where it would look, in that order: f, the hosts file; b, the name servers
  std::vector<std::string> domains;
  int dots = 1;
};

Resolver::Defaults Resolver::defaultsOf(ares_channel channel) {
  Defaults found;
  ares_options options{};
  int mask = 0;
  if (ares_save_options(channel, &options, &mask) != ARES_SUCCESS) return found;
  if (options.lookups != nullptr) found.lookups = options.lookups;
  found.domains.assign(options.domains, options.domains + options.ndomains);
  found.dots = options.ndots;
  ares_destroy_options(&options);
  return found;
}

Resolver::Resolver(EventLoop& loop, std::vector<std::string> nameservers)
    : loop_(loop), nameservers_(std::move(nameservers)), timer_(loop, -1, 0, &Resolver::onTimer, this) {}

Resolver::~Resolver() = default;

ares_channel Resolver::channel() {
  if (!channel_) openChannel();
  return channel_.get();
}

// Without a search list: which name was found has to be known here.
ares_channel Resolver::initialize(std::string lookups) {
  ares_options options{};
  options.sock_state_cb = &Resolver::onSocketState;
  options.sock_state_cb_data = this;
  options.lookups = lookups.data();
  options.flags = ARES_FLAG_NOSEARCH;
  ares_channel opened = nullptr;
  const int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_FLAGS | ARES_OPT_DOMAINS | (lookups.empty() ? 0 : ARES_OPT_LOOKUPS);
  return ares_init_options(&opened, &options, mask) == ARES_SUCCESS ? opened : nullptr;
}

void Resolver::openChannel() {
  static std::once_flag once;
  std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
  ares_channel usual = nullptr;
  if (ares_init(&usual) != ARES_SUCCESS) return;
  Defaults defaults = defaultsOf(usual);
  ares_destroy(usual);
  domains_ = std::move(defaults.domains);
  dots_ = defaults.dots;
  // c-ares reads the hosts file anew for each question: where it comes first, that is ours to do.
  hostsFirst_ = defaults.lookups.starts_with("fb");
  channel_.reset(initialize(hostsFirst_ ? "b" : std::move(defaults.lookups)));
  if (!channel_ || nameservers_.empty()) return;
  std::string list;
  for (const std::string& server : nameservers_) list += (list.empty() ? "" : ",") + server;
  if (ares_set_servers_ports_csv(channel_.get(), list.c_str()) != ARES_SUCCESS) channel_.reset();
}

// A name as it is asked for, one after the other (resolv.conf(5), search and ndots).
std::vector<std::string> Resolver::spellings(const std::string& name) const {
  if (name.ends_with('.')) return {name};
  std::vector<std::string> all;
  for (const std::string& domain : domains_) all.push_back(name + '.' + domain);
  const bool isLong = std::count(name.begin(), name.end(), '.') >= dots_;
  all.insert(isLong ? all.begin() : all.end(), name);
  return all;
}

HostsFile* Resolver::hosts() {
  (void)channel();
  return hostsFirst_ ? &hosts_ : nullptr;
}

void Resolver::onSocketState(void* self, int fd, int readable, int writable) noexcept {
  static_cast<Resolver*>(self)->watch(fd, readable != 0, writable != 0);
}

void Resolver::watch(int fd, bool readable, bool writable) {
  events_.erase(fd);
  if (!readable && !writable) return;
  const auto what = static_cast<short>((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);
  auto event = std::make_unique<Event>(loop_, fd, what, &Resolver::onSocketEvent, this);
  event->add();
  events_.emplace(fd, std::move(event));
}

void Resolver::onSocketEvent(int fd, short what, void* self) noexcept {
  auto* resolver = static_cast<Resolver*>(self);
  ares_process_fd(resolver->channel_.get(), (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
                  (what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
  resolver->rearmTimer();
}

void Resolver::onTimer(int, short, void* self) noexcept {
  auto* resolver = static_cast<Resolver*>(self);
  ares_process_fd(resolver->channel_.get(), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  resolver->rearmTimer();
}

// c-ares retries and gives up by its own clock; it only wants to be called in time.
void Resolver::rearmTimer() {
  timeval room{};
  const timeval* next = ares_timeout(channel_.get(), nullptr, &room);
  if (next == nullptr) return timer_.remove();
  timer_.addUntil(in(std::chrono::seconds(next->tv_sec) + std::chrono::microseconds(next->tv_usec)));
}

Lookup::Lookup(Resolver& resolver, const std::string& name, bool ipv4, bool ipv6, Signal& changed)
    : resolver_(resolver), name_(name), spellings_{name}, ipv4_(ipv4), ipv6_(ipv6), changed_(changed) {
  if (HostsFile* hosts = resolver.hosts(); hosts != nullptr && take(hosts->addressesOf(name))) {
    changed_.notify();
    return;
  }
  spellings_ = resolver.spellings(name);
  if (ipv6) ask(Family::ipv6);
  if (ipv4) ask(Family::ipv4);
  resolver.rearmTimer();
}

Lookup::~Lookup() {
  for (Part& part : parts_) {
    if (part.query != nullptr) part.query->owner = nullptr;
  }
}

// What the hosts file knows; false where that is nothing of the families that are wanted.
bool Lookup::take(const std::vector<IpAddress>& known) {
  bool any = false;
  for (const IpAddress& address : known) any = keep(part(address.family()), address, 0) || any;
  return any;
}

// An IPv4-mapped address is the IPv4 address that it leads to; false where nobody wants it.
bool Lookup::keep(Part& part, const IpAddress& address, int ttlSeconds) {
  const IpAddress plain = address.unmapped();
  if (!(plain.isV4() ? ipv4_ : ipv6_)) return false;
  part.addresses.push_back({plain, ttlSeconds});
  return true;
}

void Lookup::ask(Family family) {
  Part& asked = part(family);
  const ares_channel channel = resolver_.channel();
  if (channel == nullptr) {
    asked.status = ARES_ENOMEM;
    return;
  }
  asked.pending = true;
  auto query = std::make_unique<Query>(this, family);
  asked.query = query.get();
  ares_addrinfo_hints hints{};
  hints.ai_family = toAf(family);
  hints.ai_flags = ARES_AI_NOSORT;  // the order is the dialler's (RFC 6724 over both families)
  ares_getaddrinfo(channel, spellings_[asked.asked].c_str(), nullptr, &hints, &Lookup::onAnswer, query.release());
}

void Lookup::onAnswer(void* argument, int status, int, ares_addrinfo* answer) noexcept {
  const std::unique_ptr<Query> query(static_cast<Query*>(argument));
  const std::unique_ptr<ares_addrinfo, AddrinfoDeleter> owned(answer);
  if (query->owner == nullptr) return;

  Lookup& lookup = *query->owner;
  Part& part = lookup.part(query->family);
  part.query = nullptr;
  part.pending = false;
  part.status = status;
  if (status == ARES_ENOTFOUND && part.asked + 1 < lookup.spellings_.size()) {
    ++part.asked;
    return lookup.ask(query->family);
  }
  for (const ares_addrinfo_node* node = answer != nullptr ? answer->nodes : nullptr; node != nullptr;
       node = node->ai_next) {
    const auto endpoint = Endpoint::from(node->ai_addr, node->ai_addrlen);
    if (endpoint) lookup.keep(part, endpoint->address, node->ai_ttl);
  }
  lookup.changed_.notify();  // may destroy the Lookup
}

Error Lookup::failure() const {
  int status = ARES_ENODATA;
  for (const Part& part : parts_) {
    if (part.status != ARES_SUCCESS && part.status != ARES_ENODATA) status = part.status;
  }
  return errorOf(status, name_);
}

ReverseLookup::ReverseLookup(Resolver& resolver, const IpAddress& address, Signal& answered)
    : address_(address.toString()), answered_(answered) {
  if (HostsFile* hosts = resolver.hosts()) {
    if (auto known = hosts->nameOf(address); known && isValidName(*known)) {
      name_ = *std::move(known);
      answered_.notify();
      return;
    }
  }
  const ares_channel channel = resolver.channel();
  if (channel == nullptr) {
    status_ = ARES_ENOMEM;
    answered_.notify();
    return;
  }
  auto query = std::make_unique<Query>(Query{this});
  query_ = query.get();
  const auto octets = address.octets();
  ares_gethostbyaddr(channel, octets.data(), static_cast<int>(octets.size()), toAf(address.family()),
                     &ReverseLookup::onAnswer, query.release());
  resolver.rearmTimer();
}

ReverseLookup::~ReverseLookup() {
  if (query_ != nullptr) query_->owner = nullptr;
}

void ReverseLookup::onAnswer(void* argument, int status, int, hostent* answer) noexcept {
  const std::unique_ptr<Query> query(static_cast<Query*>(argument));
  if (query->owner == nullptr) return;
  ReverseLookup& lookup = *query->owner;
  lookup.query_ = nullptr;
  lookup.status_ = status;
  if (status == ARES_SUCCESS && answer != nullptr && isValidName(answer->h_name)) {
    lookup.name_ = answer->h_name;
  }
  lookup.answered_.notify();  // may destroy the ReverseLookup
}

Error ReverseLookup::failure() const {
  return errorOf(status_ == ARES_SUCCESS ? ARES_ENODATA : status_, address_);
}

}  // namespace crossgate
