// SPDX-License-Identifier: BSD-2-Clause
// What a program asks its sockets and does with their numbers: getpeername, getsockname, getsockopt,
// dup and its kin, close.  A socket that leads to the Gateway answers as the one that the program
// believes to have (SocketTable).
#include <fcntl.h>

#include <algorithm>
#include <cstdarg>
#include <cstring>

#include "socksify/association.h"
#include "socksify/background.h"
#include "socksify/process.h"
#include "socksify/real.h"
#include "socksify/servers.h"
#include "socksify/socks_lib.h"
#include "socksify/swap.h"

namespace crossgate::socksify {
namespace {

void show(const Endpoint& endpoint, sockaddr* address, socklen_t* length, socklen_t room) noexcept {
  sockaddr_storage storage;
  const socklen_t needed = endpoint.toSockaddr(storage);
  std::memcpy(address, &storage, std::min(needed, room));
  *length = needed;
}

// The entry of a socket whose kernel-side address is one that a connection to the Gateway may have.
std::optional<ShownSocket> shownAs(int fd) {
  const std::uint64_t cookie = socketCookie(fd);
  return cookie == 0 ? std::nullopt : SocksLib::get().sockets().lookup(cookie);
}

bool isInternet(const sockaddr* address, socklen_t length) noexcept {
  return length >= sizeof(sa_family_t) && (address->sa_family == AF_INET || address->sa_family == AF_INET6);
}

int nameSocket(int fd, sockaddr* address, socklen_t* length, bool peer) {
  const socklen_t room = address != nullptr && length != nullptr ? *length : 0;
  const int result = peer ? real().getpeername(fd, address, length) : real().getsockname(fd, address, length);
  if (result != 0 || room == 0 || !isInternet(address, std::min(room, *length))) return result;
  const KeepErrno keep;
  const auto shown = shownAs(fd);
  if (!shown) return result;
  if (peer) show(shown->peer, address, length, room);
  if (!peer && shown->local) show(*shown->local, address, length, room);
  return result;
}

int errorOfSocket(int fd, void* value, socklen_t* length) {
  if (isConnecting(fd)) {
    *static_cast<int*>(value) = 0;
    *length = sizeof(int);
    return 0;
  }
  const int result = real().getsockopt(fd, SOL_SOCKET, SO_ERROR, value, length);
  if (result != 0 || *static_cast<int*>(value) == 0) return result;
  const KeepErrno keep;
  auto shown = shownAs(fd);
  if (!shown || shown->error == 0) return result;
  *static_cast<int*>(value) = shown->error;
  shown->error = 0;
  SocksLib::get().sockets().remember(socketCookie(fd), *shown);
  return result;
}

int domainOfSocket(int fd, void* value, socklen_t* length) {
  const int result = real().getsockopt(fd, SOL_SOCKET, SO_DOMAIN, value, length);
  if (result != 0) return result;
  const int domain = *static_cast<int*>(value);
  if (domain != AF_INET && domain != AF_INET6) return result;
  if (const auto shown = shownAs(fd); shown) *static_cast<int*>(value) = toAf(shown->family);
  return result;
}

// True when nothing of ours hangs on the number: the way of nearly every call.
bool isOrdinary(int fd) noexcept {
  return (!mayConnect(fd) && !mayBeAssociated(fd)) || inVforkChild();
}

int followed(int from, int to) noexcept {
  if (to >= 0 && to != from && !isOrdinary(from)) {
    const KeepErrno keep;
    duplicated(from, to);
    associationFollows(from, to);
  }
  return to;
}

// `target` is going to be closed by dup2(), if `from` is open.
void leaveNumber(int from, int target) noexcept {
  if (from == target || isOrdinary(target)) return;
  const KeepErrno keep;
  if (real().fcntl(from, F_GETFD) < 0) return;
  leftBehind(target);
  dissociate(target);
}

}  // namespace
}  // namespace crossgate::socksify

using namespace crossgate::socksify;

extern "C" {

int getpeername(int fd, sockaddr* address, socklen_t* length) noexcept {
  return nameSocket(fd, address, length, true);
}

int getsockname(int fd, sockaddr* address, socklen_t* length) noexcept {
  meetAtGateway(fd);
  return nameSocket(fd, address, length, false);
}

int getsockopt(int fd, int level, int option, void* value, socklen_t* length) noexcept {
  if (level == SOL_SOCKET && value != nullptr && length != nullptr && *length >= sizeof(int)) {
    if (option == SO_ERROR) return errorOfSocket(fd, value, length);
    if (option == SO_DOMAIN) return domainOfSocket(fd, value, length);
  }
  return real().getsockopt(fd, level, option, value, length);
}

int close(int fd) {
  if (!isOrdinary(fd)) {
    const KeepErrno keep;
    leftBehind(fd);
    dissociate(fd);
  }
  return real().close(fd);
}

int dup(int fd) noexcept { return followed(fd, real().dup(fd)); }
int dup2(int fd, int target) noexcept {
  leaveNumber(fd, target);
  return followed(fd, real().dup2(fd, target));
}

int dup3(int fd, int target, int flags) noexcept {
  leaveNumber(fd, target);
  return followed(fd, real().dup3(fd, target, flags));
}

// The third argument is an integer or a pointer, as the command has it; both travel in a register.
int fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  const int result = real().fcntl(fd, command, argument);
  return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? followed(fd, result) : result;
}

int fcntl64(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  const int result = real().fcntl64(fd, command, argument);
  return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? followed(fd, result) : result;
}

}  // extern "C"
