// SPDX-License-Identifier: BSD-2-Clause
// Log: one line per event, logfmt or JSON, to stderr, a file or syslog.
//
// Opened before privileges drop and shared by all processes through fork: a line is one write(2) to a
// descriptor opened for appending, or one datagram to syslog, so that lines of different processes
// never mix.  When the master opens it again it hands the new descriptor round; the number stays.  A sink
// that can't take a line at once loses it, and the next line says how many were lost: a slow log never
// holds up a relay.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/fd.h"
#include "lib/result.h"

namespace crossgate {

enum class LogLevel : std::uint8_t { error, warning, info, debug };
enum class LogFormat : std::uint8_t { text, json };

struct LogConfig {
  std::string to = "stderr";  ///< syslog | stderr | the path of a file
  LogFormat format = LogFormat::text;
  LogLevel level = LogLevel::info;
};

class Log {
 public:
  /// Opens the sink; an Error names the file and why it can't be written.
  static Result<Log> open(const LogConfig& config);

  /// A line that is written when it goes out of scope.  Fields appear in the order they are added;
  /// values are escaped, so that no peer can forge a field or a line.
  class Line {
   public:
    Line(const Log& log, LogLevel level);
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;
    ~Line();
    Line& field(std::string_view key, std::string_view value);
    Line& field(std::string_view key, const char* value) { return field(key, std::string_view(value)); }
    Line& field(std::string_view key, std::uint64_t value);
    Line& field(std::string_view key, double seconds);

   private:
    void key(std::string_view key);
    const Log& log_;
    LogLevel level_;
    bool wanted_;
    std::string text_;
  };

  /// `log.event(LogLevel::warning, "worker died").field("pid", 7);`
  void event(LogLevel level, std::string_view what) const { Line(*this, level).field("event", what); }
  Line line(LogLevel level) const { return {*this, level}; }

  bool wants(LogLevel level) const noexcept { return level <= config_.level; }
  const LogConfig& config() const noexcept { return config_; }
  int fd() const noexcept { return fd_.get(); }
  /// Opens the same file again, after it was renamed by a log rotation; syslog's socket likewise.
  Result<void> reopen();
  /// In another process: what is logged from now on goes where the master's `opened` goes.
  void follow(const Fd& opened) const noexcept;

 private:
  enum class Sink : std::uint8_t { file, stream, syslog };
  explicit Log(LogConfig config) : config_(std::move(config)) {}
  Result<void> openSink();
  Result<void> replace(Fd fd, const char* name);
  void write(LogLevel level, std::string& text) const;

  LogConfig config_;
  Fd fd_;
  Sink sink_ = Sink::stream;
  mutable std::uint64_t lost_ = 0;
};

}  // namespace crossgate
