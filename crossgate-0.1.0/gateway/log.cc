// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace crossgate {
namespace {

constexpr std::array levelNames{"error", "warning", "info", "debug"};
constexpr std::array syslogPriorities{LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

std::string timestamp() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  char text[40];
  const std::size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + length, sizeof text - length, ".%03ldZ", now.tv_nsec / 1'000'000);
  return text;
}

bool isPlainWord(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value) {
    if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=') return false;
  }
  return true;
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
    struct stat status {};
    const bool regular = fstat(STDERR_FILENO, &status) == 0 && S_ISREG(status.st_mode);
    sink_ = regular ? Sink::file : Sink::stream;
    return {};
  }
  if (config_.to == "syslog") {
    sink_ = Sink::syslog;
    fd_ = Fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, "/dev/log");
    if (!fd_ || connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      return systemError("syslog at /dev/log", errno);
    }
    return {};
  }
  return reopen();
}

Result<void> Log::reopen() {
  if (config_.to == "stderr" || config_.to == "syslog") return {};
  Fd fd(::open(config_.to.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640));
  if (!fd) return systemError(config_.to.c_str(), errno);
  // The number stays, because other parts may hold it.
  if (fd_ && dup3(fd.get(), fd_.get(), O_CLOEXEC) < 0) return systemError(config_.to.c_str(), errno);
  if (!fd_) fd_ = std::move(fd);
  sink_ = Sink::file;
  return {};
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
  const bool json = log_.config_.format == LogFormat::json;
  if (text_.size() > (json ? 1U : 0U)) text_ += json ? ',' : ' ';
  if (json) text_ += '"';
  text_ += key;
  text_ += json ? "\":" : "=";
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
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", seconds);
  text_ += text;
  return *this;
}

}  // namespace crossgate
