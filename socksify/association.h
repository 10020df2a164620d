// SPDX-License-Identifier: BSD-2-Clause
// Association: one UDP socket of the program and its UDP ASSOCIATE at the Gateway (RFC 1928, sections 4
// and 7).  It owns the TCP connection that keeps the association alive, and remembers which fakes the
// program has sent to, so that an answer shows the fake again.
//
// Associations are keyed by the socket's cookie.  The conversation happens at the first datagram that
// has to go through the Gateway, not at connect(): many programs connect a datagram socket only to
// learn their own address.  A fork shares the association of its parent.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "lib/address.h"
#include "lib/result.h"
#include "socksify/gateway_link.h"

namespace crossgate::socksify {

class Association {
 public:
  /// `family`: the one of the program's addresses.
  explicit Association(Family family) noexcept : family_(family) {}

  /// Where datagrams are sent; holds the conversation if there is none, or the last one has ended.
  Result<Endpoint> relay();
  bool isRelay(const Endpoint& sender) const;

  void noteSent(const Endpoint& to);
  /// Whom the program takes for the sender of what came from `from`.
  Endpoint shownSender(const Destination& from);

  void setPeer(std::optional<Endpoint> peer);
  std::optional<Endpoint> peer() const;
  Family family() const noexcept { return family_; }

  /// A fork must find it between two changes.
  void lock() noexcept { mutex_.lock(); }
  void unlock() noexcept { mutex_.unlock(); }

 private:
  struct Correspondent {
    Endpoint shown;                // as the program wrote it: a fake, or an address
    std::optional<Endpoint> real;  // who answered for it
  };
  bool isAlive() const noexcept;

  const Family family_;
  mutable std::mutex mutex_;
  HiddenSocket control_;
  std::optional<Endpoint> relay_;
  std::optional<Endpoint> peer_;
  std::vector<Correspondent> correspondents_;
};

/// One load: false for every descriptor that never had an association.
bool mayBeAssociated(int fd) noexcept;
/// The association of a socket; null when there is none.  A connected socket that came across an exec gets
/// one anew.
std::shared_ptr<Association> associationOf(int fd) noexcept;
bool isAssociated(int fd) noexcept;
/// The same, made if need be.
std::shared_ptr<Association> associate(int fd, Family family);
/// Another socket has taken the first one's place.
void moveAssociation(std::uint64_t from, std::uint64_t to);
/// close() and dup(): what becomes of it.
void dissociate(int fd) noexcept;
void associationFollows(int from, int to) noexcept;

/// When the library is loaded: marks the sockets that may have come across an exec.
void noteInherited() noexcept;

void lockAssociations() noexcept;
void unlockAssociations() noexcept;

}  // namespace crossgate::socksify
