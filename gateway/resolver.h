// SPDX-License-Identifier: BSD-2-Clause
// Resolver: names to addresses through the hosts file and c-ares, on the worker's event loop, so that a slow
// name server stalls nobody.  One per worker.
//
// The hosts file comes first where the system's configuration says so (nsswitch.conf: "hosts: files dns"), and
// what it says of a name is all that is said.
//
// A Lookup asks for A and AAAA at once and tells its Signal as each answer comes, because RFC 8305
// begins to dial before both are there.  Destroying a Lookup gives up interest in the answers.
#pragma once

#include <ares.h>
#include <netdb.h>

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gateway/event_loop.h"
#include "gateway/hosts_file.h"
#include "lib/address.h"
#include "lib/result.h"

namespace crossgate {

struct ResolvedAddress {
  IpAddress address;
  int ttlSeconds = 0;
};

class Lookup;
class ReverseLookup;

class Resolver {
 public:
  /// `nameservers` ("192.0.2.53:53", "[2001:db8::53]:53"); empty: those of the system.
  Resolver(EventLoop& loop, std::vector<std::string> nameservers);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  EventLoop& loop() const noexcept { return loop_; }

 private:
  friend class Lookup;
  friend class ReverseLookup;
  struct AresChannelDeleter {
    void operator()(ares_channel channel) const noexcept { ares_destroy(channel); }
  };

  ares_channel channel();  // null when c-ares refuses; opened at the first name
  void openChannel();
  struct Defaults;
  static Defaults defaultsOf(ares_channel channel);
  ares_channel initialize(std::string lookups);
  std::vector<std::string> spellings(const std::string& name) const;
  HostsFile* hosts();  // null where it does not come first
  void watch(int fd, bool readable, bool writable);
  void rearmTimer();
  static void onSocketState(void* self, int fd, int readable, int writable) noexcept;
  static void onSocketEvent(int fd, short what, void* self) noexcept;
  static void onTimer(int, short, void* self) noexcept;

  EventLoop& loop_;
  std::vector<std::string> nameservers_;
  HostsFile hosts_;
  bool hostsFirst_ = false;  // known once the channel is open, as are the next two
  std::vector<std::string> domains_;  // where names are searched (resolv.conf)
  int dots_ = 1;                      // those with fewer are searched first
  std::map<int, std::unique_ptr<Event>> events_;  // c-ares's own sockets
  Event timer_;
  std::unique_ptr<std::remove_pointer_t<ares_channel>, AresChannelDeleter>
      channel_;  // dies first: it still reports its sockets
};

class Lookup {
 public:
  /// Asks for the families named; `changed` is notified at each answer.
  Lookup(Resolver& resolver, const std::string& name, bool ipv4, bool ipv6, Signal& changed);
  ~Lookup();
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  bool done(Family family) const noexcept { return !part(family).pending; }
  bool done() const noexcept { return done(Family::ipv4) && done(Family::ipv6); }
  /// What the answer for the family says; there may be IPv4 addresses in that for IPv6 (IPv4-mapped ones).
  const std::vector<ResolvedAddress>& addresses(Family family) const noexcept {
    return part(family).addresses;
  }
  /// The name that has them: the one asked for, or what the search list has made of it.
  const std::string& foundAs(Family family) const noexcept { return spellings_[part(family).asked]; }
  /// Once done() without any address: noSuchName, timedOut, or general, with c-ares's words.
  Error failure() const;

 private:
  // Shared with c-ares until it has called back, because c-ares can't forget a single query.
  struct Query {
    Lookup* owner;
    Family family;
  };
  struct Part {
    bool pending = false;
    std::size_t asked = 0;  // which spelling
    int status = ARES_SUCCESS;
    std::vector<ResolvedAddress> addresses;
    Query* query = nullptr;
  };
  bool take(const std::vector<IpAddress>& known);
  bool keep(Part& part, const IpAddress& address, int ttlSeconds);
  void ask(Family family);
  static void onAnswer(void* query, int status, int timeouts, ares_addrinfo* answer) noexcept;

  const Part& part(Family family) const noexcept { return parts_[static_cast<std::size_t>(family)]; }
  Part& part(Family family) noexcept { return parts_[static_cast<std::size_t>(family)]; }

  Resolver& resolver_;
  std::string name_;
  std::vector<std::string> spellings_;
  bool ipv4_, ipv6_;  // which are wanted
  Signal& changed_;
  std::array<Part, 2> parts_;
};

/// The name of an address (PTR, or the hosts file).
class ReverseLookup {
 public:
  /// `answered` is notified once.
  ReverseLookup(Resolver& resolver, const IpAddress& address, Signal& answered);
  ~ReverseLookup();
  ReverseLookup(const ReverseLookup&) = delete;
  ReverseLookup& operator=(const ReverseLookup&) = delete;

  bool done() const noexcept { return query_ == nullptr; }
  const std::string& name() const noexcept { return name_; }  ///< empty: there is none
  Error failure() const;

 private:
  struct Query {
    ReverseLookup* owner;
  };
  static void onAnswer(void* query, int status, int timeouts, hostent* answer) noexcept;

  std::string address_;
  std::string name_;
  Signal& answered_;
  Query* query_ = nullptr;  // shared with c-ares until it has called back
  int status_ = ARES_SUCCESS;
};

}  // namespace crossgate
