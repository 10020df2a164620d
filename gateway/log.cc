// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace crossgate {
namespace {

constexpr std::array levelNames{"error", "warning", "info", "debug"};
constexpr std::array syslogPriorities{LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

constexpr std::size_t secondLength = sizeof "2026-01-01T00:00:00" - 1;

// RFC 3339 with milliseconds.  The calendar is asked once a second.
std::string_view timestamp() {
  static std::time_t second = -1;
  static std::array<char, 40> text;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (now.tv_sec != second) {
    tm utc{};
    gmtime_r(&now.tv_sec, &utc);
    strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S.000Z", &utc);
    second = now.tv_sec;
  }
  const auto milliseconds = static_cast<unsigned>(now.tv_nsec / 1'000'000);
  char* digits = text.data() + secondLength + 1;
  for (unsigned unit = 100; unit > 0; unit /= 10) *digits++ = static_cast<char>('0' + milliseconds / unit % 10);
  return text.data();
}

// A file, or /dev/null, where a write never blocks.
bool takesAnything(int fd) {
  const auto nullDevice = makedev(1, 3);
  struct stat status {};
  if (fstat(fd, &status) != 0) return false;
  return S_ISREG(status.st_mode) || (S_ISCHR(status.st_mode) && status.st_rdev == nullDevice);
}

constexpr std::array<bool, 256> plainOctets = [] {
  std::array<bool, 256> plain{};
  for (unsigned octet = '!'; octet < 0x7f; ++octet) plain[octet] = octet != '"' && octet != '\\' && octet != '=';
  return plain;
}();

bool isPlainWord(std::string_view value) {
  return !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
    return plainOctets[static_cast<unsigned char>(c)];
  });
}

// Escapes as JSON does; logfmt readers understand the same.  Octets beyond ASCII come from peers and
// need not be UTF-8, so they are shown as \u00xx.
void appendQuoted(std::string& out, std::string_view value) {
  out += '"';
  for (const char c : value) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (octet < 0x20 || octet >= 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", octet);
      out += escaped;
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

Result<Log> Log::open(const LogConfig& config) {
  Log log(config);
  if (auto opened = log.openSink(); !opened) return opened.error();
  return log;
}

Result<void> Log::openSink() {
  if (config_.to == "stderr") {
    sink_ = takesAnything(STDERR_FILENO) ? Sink::file : Sink::stream;
    return {};
  }
  sink_ = config_.to == "syslog" ? Sink::syslog : Sink::file;
  return reopen();
}

Result<void> Log::reopen() {
  if (config_.to == "stderr") return {};
  if (config_.to != "syslog") {
    constexpr int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY;
    return replace(Fd(::open(config_.to.c_str(), flags, 0640)), config_.to.c_str());
  }
  constexpr const char* name = "syslog at /dev/log";
  Fd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/dev/log");
  if (!fd || connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return systemError(name, errno);
  }
  return replace(std::move(fd), name);
}

// The number stays, because other parts may hold it.
Result<void> Log::replace(Fd fd, const char* name) {
  if (!fd) return systemError(name, errno);
  if (fd_ && dup3(fd.get(), fd_.get(), O_CLOEXEC) < 0) return systemError(name, errno);
  if (!fd_) fd_ = std::move(fd);
  return {};
}

void Log::follow(const Fd& opened) const noexcept {
  if (fd_) dup3(opened.get(), fd_.get(), O_CLOEXEC);
}

void Log::write(LogLevel level, std::string& text) const {
  if (sink_ == Sink::syslog) {
    char head[64];
    const int priority = LOG_DAEMON | syslogPriorities[static_cast<std::size_t>(level)];
    std::snprintf(head, sizeof head, "<%d>crossgate[%d]: ", priority, getpid());
    text.insert(0, head);
    if (send(fd_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) ++lost_;
    return;
  }
  text += '\n';
  const int fd = fd_ ? fd_.get() : STDERR_FILENO;
  if (sink_ == Sink::stream) {
    // A pipe or a terminal that is ready takes PIPE_BUF octets without blocking.
    pollfd ready{fd, POLLOUT, 0};
    if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) {
      ++lost_;
      return;
    }
  }
  if (::write(fd, text.data(), text.size()) < 0) ++lost_;
}

Log::Line::Line(const Log& log, LogLevel level) : log_(log), level_(level), wanted_(log.wants(level)) {
  if (!wanted_) return;
  text_.reserve(384);
  if (log_.config_.format == LogFormat::json) text_ += '{';
  if (log_.sink_ != Sink::syslog) field("time", timestamp());
  field("level", levelNames[static_cast<std::size_t>(level)]);
  if (const std::uint64_t lost = std::exchange(log_.lost_, 0); lost != 0) field("lost", lost);
}

Log::Line::~Line() {
  if (!wanted_) return;
  if (log_.config_.format == LogFormat::json) text_ += '}';
  log_.write(level_, text_);
}

void Log::Line::key(std::string_view key) {
  if (log_.config_.format == LogFormat::json) {
    text_.append(text_.size() > 1 ? ",\"" : "\"").append(key).append("\":");
  } else {
    text_.append(text_.empty() ? "" : " ").append(key).append("=");
  }
}

Log::Line& Log::Line::field(std::string_view name, std::string_view value) {
  if (!wanted_) return *this;
  key(name);
  if (log_.config_.format == LogFormat::text && isPlainWord(value)) {
    text_ += value;
  } else {
    appendQuoted(text_, value);
  }
  return *this;
}

Log::Line& Log::Line::field(std::string_view name, std::uint64_t value) {
  if (!wanted_) return *this;
  key(name);
  text_ += std::to_string(value);
  return *this;
}

Log::Line& Log::Line::field(std::string_view name, double seconds) {
  if (!wanted_) return *this;
  key(name);
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed, 3);
  text_.append(text.data(), end.ptr);
  return *this;
}

}  // namespace crossgate
