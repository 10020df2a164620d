// SPDX-License-Identifier: BSD-2-Clause
// The program that t/bench/connect-cost runs under each preload library: looks a host up and
// connects to it, again and again, and prints what one connect took in microseconds (the median).
//
//   connect_cost HOST PORT COUNT
//
// HOST is a name or a literal address; a name is looked up each time, as programs do.  Each
// connection is used for one octet there and back, so that a library that only pretends to have
// connected pays here.  Exit status: 0, or 1 when a connection failed.
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "lib/fd.h"

namespace {

using Clock = std::chrono::steady_clock;

bool connectOnce(const char* host, const char* port) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host, port, &hints, &found) != 0) return false;
  const crossgate::Fd fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const bool connected = connect(fd.get(), found->ai_addr, found->ai_addrlen) == 0;
  freeaddrinfo(found);
  char octet = 'x';
  return connected && send(fd.get(), &octet, 1, MSG_NOSIGNAL) == 1 && recv(fd.get(), &octet, 1, 0) == 1;
}

}  // namespace

int main(int argc, char** argv) {
  const long count = argc == 4 ? std::strtol(argv[3], nullptr, 10) : 0;
  if (count < 1 || count > 1000000) {
    std::fprintf(stderr, "usage: connect_cost HOST PORT COUNT\n");
    return 2;
  }
  std::vector<double> micros;
  for (long i = 0; i < count; ++i) {
    const auto start = Clock::now();
    if (!connectOnce(argv[1], argv[2])) {
      std::fprintf(stderr, "connect_cost: connection %ld of %ld failed\n", i + 1, count);
      return 1;
    }
    micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  std::sort(micros.begin(), micros.end());
  std::printf("%.1f\n", micros[micros.size() / 2]);
}
