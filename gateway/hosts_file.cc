// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/hosts_file.h"

#include <strings.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace crossgate {
namespace {

constexpr std::size_t mostKnown = 256;

bool sameName(const std::string& a, const std::string& b) { return strcasecmp(a.c_str(), b.c_str()) == 0; }

bool isLocalhost(const std::string& name) {
  constexpr std::string_view local = "localhost";
  if (name.size() < local.size()) return false;
  const std::size_t start = name.size() - local.size();
  return strcasecmp(name.c_str() + start, local.data()) == 0 && (start == 0 || name[start - 1] == '.');
}

// Calls `take(address, names)` for each line until it returns true.
template <class Take>
void eachLine(const std::string& path, Take take) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string word;
    if (!(words >> word)) continue;
    const auto address = IpAddress::parse(word);
    if (address && take(*address, words)) return;
  }
}

void addMissing(std::vector<IpAddress>& addresses, Family family) {
  const auto isOf = [&](const IpAddress& address) { return address.family() == family; };
  if (std::none_of(addresses.begin(), addresses.end(), isOf)) {
    addresses.push_back(IpAddress::loopback(family));
  }
}

}  // namespace

HostsFile::HostsFile(std::string path, std::chrono::milliseconds freshness)
    : path_(std::move(path)), freshness_(freshness) {}

const std::vector<IpAddress>& HostsFile::addressesOf(const std::string& name) {
  forgetIfChanged();
  if (const auto known = known_.find(name); known != known_.end()) return known->second;
  if (known_.size() >= mostKnown) known_.clear();
  return known_[name] = search(name);
}

void HostsFile::forgetIfChanged() {
  const auto now = std::chrono::steady_clock::now();
  if (now < freshUntil_) return;
  freshUntil_ = now + freshness_;
  struct stat status {};
  if (stat(path_.c_str(), &status) != 0) status = {};
  const bool same = status.st_dev == status_.st_dev && status.st_ino == status_.st_ino &&
                    status.st_size == status_.st_size && status.st_mtim.tv_sec == status_.st_mtim.tv_sec &&
                    status.st_mtim.tv_nsec == status_.st_mtim.tv_nsec;
  status_ = status;
  if (!same) known_.clear();
}

std::vector<IpAddress> HostsFile::search(const std::string& name) const {
  std::vector<IpAddress> found;
  eachLine(path_, [&](const IpAddress& address, std::istream& names) {
    for (std::string one; names >> one;) {
      if (!sameName(one, name)) continue;
      if (std::find(found.begin(), found.end(), address) == found.end()) found.push_back(address);
      break;
    }
    return false;
  });
  if (isLocalhost(name)) {
    addMissing(found, Family::ipv6);
    addMissing(found, Family::ipv4);
  }
  return found;
}

std::optional<std::string> HostsFile::nameOf(const IpAddress& address) const {
  std::optional<std::string> found;
  eachLine(path_, [&](const IpAddress& candidate, std::istream& names) {
    std::string first;
    if (candidate == address && names >> first) found = first;
    return found.has_value();
  });
  return found;
}

}  // namespace crossgate
