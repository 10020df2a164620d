// SPDX-License-Identifier: BSD-2-Clause
// A storm of connections, to be run through socksify: threads that look names up, connect in every way
// there is, and find out whether the connection leads where it should; forks, vforks and spawns between
// them, whose children connect too.
//
//   storm THREADS COUNT NAMES    each thread makes COUNT connections; NAMES are looked up beside them
//
// The destination says its own name first and echoes what follows (loops.py gateway).  Exit status 0 when
// every octet was right, 1 otherwise, with the number of what went wrong and an example.
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "lib/fd.h"

extern char** environ;

namespace {

using crossgate::Fd;

std::mutex wrongMutex;
std::string firstWrong;
std::atomic<int> wrongs{0};

void wrong(const std::string& what) {
  const int error = errno;
  ++wrongs;
  const std::lock_guard lock(wrongMutex);
  if (firstWrong.empty()) firstWrong = what + ": " + std::strerror(error);
}

constexpr int patience = 60000;  // milliseconds

// The ways to wait for a non-blocking connect.
bool waitByPoll(int fd) {
  pollfd one{fd, POLLOUT, 0};
  return poll(&one, 1, patience) == 1;
}

bool waitBySelect(int fd) {
  if (fd >= FD_SETSIZE) return waitByPoll(fd);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(fd, &set);
  timeval limit{patience / 1000, 0};
  return select(fd + 1, nullptr, &set, nullptr, &limit) == 1;
}

bool waitByEpoll(int epoll) {
  epoll_event event{};
  int ready = 0;
  while ((ready = epoll_wait(epoll, &event, 1, patience)) < 0 && errno == EINTR) continue;
  return ready == 1;
}

// EPOLLET, added before connect(), when an unconnected socket has already had its say.
Fd edgeOf(int fd) {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLOUT | EPOLLET;
  epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
  epoll_wait(epoll.get(), &event, 1, 0);
  return epoll;
}

bool connectIn(int way, int fd, const addrinfo& to) {
  if (way == 0) return connect(fd, to.ai_addr, to.ai_addrlen) == 0;
  fcntl(fd, F_SETFL, O_NONBLOCK);
  Fd epoll;
  if (way == 3) epoll = edgeOf(fd);
  const bool begun = connect(fd, to.ai_addr, to.ai_addrlen) == 0 || errno == EINPROGRESS;
  const bool ready = begun && (way == 1 ? waitByPoll(fd) : way == 2 ? waitBySelect(fd) : waitByEpoll(epoll.get()));
  int error = 0;
  socklen_t length = sizeof error;
  if (!ready || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0) {
    if (error != 0) errno = error;
    return false;
  }
  return fcntl(fd, F_SETFL, 0) == 0;
}

bool isEchoed(int fd, const std::string& text) {
  if (send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) return false;
  std::string wanted = text + text;  // its name, then the echo
  std::string seen(wanted.size(), '\0');
  // The SIGCHLD of another thread's child cuts even MSG_WAITALL short.
  std::size_t got = 0;
  while (got < seen.size()) {
    const ssize_t more = recv(fd, seen.data() + got, seen.size() - got, MSG_WAITALL);
    if (more == 0 || (more < 0 && errno != EINTR)) break;
    if (more > 0) got += static_cast<std::size_t>(more);
  }
  return seen == wanted;
}

bool isNamed(int fd, const std::string& name) {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  char host[NI_MAXHOST] = "";
  return getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) == 0 &&
         getnameinfo(reinterpret_cast<sockaddr*>(&peer), length, host, sizeof host, nullptr, 0, NI_NAMEREQD) == 0 &&
         name == host;
}

// What went wrong; empty when nothing did.
std::string visit(const std::string& name, int way) {
  addrinfo hints{};
  hints.ai_family = way % 2 == 0 ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), "7", &hints, &found) != 0) return "look-up";
  Fd fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const bool connected = connectIn(way, fd.get(), *found);
  freeaddrinfo(found);
  if (!connected) return "connect in way " + std::to_string(way);
  const Fd twin(dup(fd.get()));
  fd.reset();  // the duplicate is the same connection
  if (!isEchoed(twin.get(), name)) return "echo in way " + std::to_string(way);
  return isNamed(twin.get(), name) ? "" : "peer's name in way " + std::to_string(way);
}

bool ended(pid_t child) {
  int status = 1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return child > 0 && status == 0;
}

bool forkAndVisit(const std::string& name, int way) {
  const pid_t child = fork();
  if (child == 0) _exit(visit(name, way).empty() ? 0 : 1);
  return ended(child);
}

bool vforkAndRun() {
  char program[] = "true";
  char* const arguments[] = {program, nullptr};
  const pid_t child = vfork();
  if (child == 0) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    close(fd);
    execvp(program, arguments);
    _exit(127);
  }
  return ended(child);
}

bool spawn() {
  char program[] = "true";
  char* const arguments[] = {program, nullptr};
  pid_t child = 0;
  return posix_spawnp(&child, program, nullptr, nullptr, arguments, environ) == 0 && ended(child);
}

void work(int thread, int count) {
  for (int i = 0; i < count; ++i) {
    const std::string name = "host" + std::to_string(thread) + "-" + std::to_string(i) + ".example";
    if (const std::string what = visit(name, i % 4); !what.empty()) wrong(name + ": " + what);
    if (i % 25 == 5 && !forkAndVisit("child-" + name, i / 25 % 4)) wrong("a forked child at " + name);
    if (i % 25 == 10 && !vforkAndRun()) wrong("vfork at " + name);
    if (i % 25 == 15 && !spawn()) wrong("posix_spawn at " + name);
  }
}

void lookUp(int names) {
  for (int i = 0; i < names; ++i) {
    const std::string name = "more" + std::to_string(i) + ".example";
    addrinfo* found = nullptr;
    if (getaddrinfo(name.c_str(), nullptr, nullptr, &found) != 0) {
      wrong("looking up " + name);
      continue;
    }
    char host[NI_MAXHOST] = "";
    getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, nullptr, 0, NI_NAMEREQD);
    if (name != host) wrong("the name behind the fake of " + name);
    freeaddrinfo(found);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: storm THREADS COUNT NAMES\n");
    return 2;
  }
  const int count = std::atoi(argv[2]);
  const int names = std::atoi(argv[3]);
  std::vector<std::thread> threads;
  for (int i = 0; i < std::atoi(argv[1]); ++i) threads.emplace_back(work, i, count);
  lookUp(names);
  for (auto& thread : threads) thread.join();
  lookUp(names);
  if (wrongs == 0) return 0;
  std::fprintf(stderr, "storm: %d wrong, such as %s\n", wrongs.load(), firstWrong.c_str());
  return 1;
}
