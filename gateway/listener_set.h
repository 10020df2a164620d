// SPDX-License-Identifier: BSD-2-Clause
// ListenerSet: the listeners that the configuration asks for, and what has become of each.
//
// A listener on an address has its place from the start.  One on an interface (`eth0:1080`) has a place
// for each address that the interface has at the moment: it opens as an address comes, and closes as it
// goes.  A place whose address or interface is not there waits, and is tried again as addresses change
// and each second; the others serve meanwhile.  Any other reason why it can't be bound is an Error at
// the start and at a reload.
//
// A listener that a new configuration still asks for is kept, with the clients in its backlog.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/config.h"
#include "gateway/inherited_sockets.h"
#include "gateway/listener.h"
#include "lib/result.h"

namespace crossgate {

class ListenerSet {
 public:
  /// `index` is that of Config::listeners.
  using OnClients = std::function<void(Listener& listener, std::uint16_t index)>;
  ListenerSet(EventLoop& loop, OnClients onClients) : loop_(loop), onClients_(std::move(onClients)) {}

  /// Takes a configuration's listeners in place of what there is; sockets that were handed over are
  /// taken before any is bound.  After an Error everything is as before.
  Result<void> adopt(const std::vector<ListenerConfig>& wanted, const Log& log,
                     InheritedSockets handed = {});
  /// Follows the host's addresses, and tries again where a place waits.
  void refresh(const Log& log);

  void watch();
  void pause() noexcept;
  void closeAll() noexcept;

  std::vector<int> descriptors() const;
  std::size_t open() const noexcept;
  std::size_t waiting() const noexcept { return standing_.size() - open(); }

 private:
  struct Place {
    std::uint16_t index = 0;
    std::optional<Endpoint> endpoint;  // none: the interface has no address
    std::string name;                  // for the log
  };
  struct Standing {
    Place place;
    std::unique_ptr<Listener> listener;  // null: it waits
    std::string reason;                  // why it waits
    std::string told;                    // what the log has about it
    bool handed = false;                 // somebody else may hold this socket too
  };
  using Kept = std::vector<Standing*>;

  static std::vector<Place> placesOf(const std::vector<ListenerConfig>& wanted);
  Kept findKept(const std::vector<Place>& places);
  Result<void> openAt(Standing& standing, const Kept& kept, std::vector<Listener*>& suspended);
  bool makeRoom(const Endpoint& endpoint, const Kept& kept, std::vector<Listener*>& suspended);
  static void tell(const Log& log, Standing& standing);

  EventLoop& loop_;
  OnClients onClients_;
  std::vector<ListenerConfig> wanted_;
  std::vector<Standing> standing_;  // in the order of the configuration
  bool watching_ = false;
};

}  // namespace crossgate
