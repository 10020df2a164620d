// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/interface_watch.h"

#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace crossgate {
namespace {

struct IfaddrsDeleter {
  void operator()(ifaddrs* list) const noexcept { freeifaddrs(list); }
};

}  // namespace

Result<std::unique_ptr<InterfaceWatch>> InterfaceWatch::start(EventLoop& loop,
                                                              std::function<void()> changed) {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (!fd || bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return systemError("rtnetlink", errno);
  }
  return std::unique_ptr<InterfaceWatch>(new InterfaceWatch(loop, std::move(fd), std::move(changed)));
}

InterfaceWatch::InterfaceWatch(EventLoop& loop, Fd fd, std::function<void()> changed)
    : fd_(std::move(fd)),
      changed_(std::move(changed)),
      event_(loop, fd_.get(), EV_READ | EV_PERSIST, &InterfaceWatch::onMessage, this) {
  event_.add();
}

void InterfaceWatch::onMessage(int, short, void* self) noexcept {
  auto* watch = static_cast<InterfaceWatch*>(self);
  char room[16384];
  // A queue that has run over (ENOBUFS) is a change too.
  while (recv(watch->fd_.get(), room, sizeof room, 0) >= 0 || errno == ENOBUFS || errno == EINTR) {
  }
  watch->changed_();
}

std::vector<IpAddress> addressesOf(const std::string& interface) {
  ifaddrs* raw = nullptr;
  if (getifaddrs(&raw) != 0) return {};
  const std::unique_ptr<ifaddrs, IfaddrsDeleter> list(raw);
  std::vector<IpAddress> addresses;
  for (const ifaddrs* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
    if (interface != entry->ifa_name) continue;
    const auto endpoint = Endpoint::from(entry->ifa_addr, sizeof(sockaddr_in6));
    if (endpoint) addresses.push_back(endpoint->address);
  }
  std::stable_partition(addresses.begin(), addresses.end(), [](const IpAddress& each) { return each.isV4(); });
  return addresses;
}

}  // namespace crossgate
