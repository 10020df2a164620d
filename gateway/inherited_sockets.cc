// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/inherited_sockets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace crossgate {
namespace {

constexpr int firstHanded = STDERR_FILENO + 1;
constexpr int mostHanded = 1024;

int numberFrom(const char* variable) {
  const char* text = std::getenv(variable);
  int number = 0;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), number);
  return number;
}

int optionOf(int fd, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

}  // namespace

InheritedSockets InheritedSockets::fromEnvironment() {
  const bool ours = numberFrom("LISTEN_PID") == getpid();
  const int count = ours ? std::clamp(numberFrom("LISTEN_FDS"), 0, mostHanded) : 0;
  for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(variable);
  InheritedSockets inherited;
  for (int fd = firstHanded; fd < firstHanded + count; ++fd) {
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) continue;  // there is none
    Socket handed{Fd(fd), std::nullopt};
    const bool listens = optionOf(fd, SO_TYPE) == SOCK_STREAM && optionOf(fd, SO_ACCEPTCONN) == 1;
    if (listens) handed.endpoint = localEndpoint(fd);
    inherited.sockets_.push_back(std::move(handed));
  }
  return inherited;
}

Fd InheritedSockets::take(const Endpoint& endpoint) {
  const auto found = std::find_if(sockets_.begin(), sockets_.end(),
                                  [&](const Socket& each) { return each.endpoint == endpoint; });
  if (found == sockets_.end()) return {};
  Fd fd = std::move(found->fd);
  sockets_.erase(found);
  return fd;
}

std::vector<int> InheritedSockets::descriptors() const {
  std::vector<int> fds;
  for (const Socket& each : sockets_) fds.push_back(each.fd.get());
  return fds;
}

std::vector<std::string> InheritedSockets::describe() const {
  std::vector<std::string> texts;
  for (const Socket& each : sockets_) {
    texts.push_back(each.endpoint ? each.endpoint->toString()
                                  : "descriptor " + std::to_string(each.fd.get()) +
                                        ", which is no listening TCP socket");
  }
  return texts;
}

}  // namespace crossgate
