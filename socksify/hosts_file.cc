// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/hosts_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "lib/address.h"
#include "socksify/real.h"

namespace crossgate::socksify {
namespace {

constexpr std::size_t mostOctets = 1 << 20;

std::string readHosts() {
  std::string text;
  const int fd = ::open("/etc/hosts", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return text;
  std::array<char, 4096> chunk;
  ssize_t got = 0;
  while (text.size() < mostOctets && (got = real().read(fd, chunk.data(), chunk.size())) > 0)
    text.append(chunk.data(), static_cast<std::size_t>(got));
  real().close(fd);
  return text;
}

// The next word of a line, which loses it; empty at its end.
std::string_view takeWord(std::string_view& line) {
  constexpr std::string_view blanks = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(blanks));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace

bool isInHostsFile(const std::string& name) {
  const std::string text = readHosts();
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    line = line.substr(0, line.find('#'));
    if (!IpAddress::parse(takeWord(line))) continue;
    for (std::string_view word = takeWord(line); !word.empty(); word = takeWord(line)) {
      if (canonicalName(word) == name) return true;
    }
  }
  return false;
}

}  // namespace crossgate::socksify
