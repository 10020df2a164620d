// SPDX-License-Identifier: BSD-2-Clause
// HostsFile: names and addresses from the system's hosts file (hosts(5)), without reading it for each relay.
//
// It remembers what was asked, not the file, which may be long; all of it is forgotten when the file has
// changed, which is looked for once in a while.  A file that can't be read is an empty one.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lib/address.h"

namespace crossgate {

class HostsFile {
 public:
  explicit HostsFile(std::string path = "/etc/hosts",
                     std::chrono::milliseconds freshness = std::chrono::seconds(1));

  /// The addresses of a name, of both families, in the order of the file; empty where it has none.  Names
  /// at or below localhost have the loopback addresses whatever the file says (RFC 6761, section 6.3).
  /// Good until the next call.
  const std::vector<IpAddress>& addressesOf(const std::string& name);
  /// The name of an address: the first one on its line.
  std::optional<std::string> nameOf(const IpAddress& address) const;

 private:
  void forgetIfChanged();
  std::vector<IpAddress> search(const std::string& name) const;

  std::string path_;
  std::chrono::milliseconds freshness_;
  std::chrono::steady_clock::time_point freshUntil_{};
  struct stat status_ {};
  std::unordered_map<std::string, std::vector<IpAddress>> known_;
};

}  // namespace crossgate
