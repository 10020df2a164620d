// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/account.h"

namespace crossgate {

void account(const Log& log, const RelayRecord& record) {
  if (!log.wants(LogLevel::info)) return;
  auto line = log.line(LogLevel::info);
  line.field("relay", record.id).field("client", record.client.unmapped().toString());
  if (!record.who.user.empty()) line.field("user", record.who.user);
  if (record.who.method != socks5::Method::none) line.field("auth", toString(record.who.method));
  if (!record.tls.empty()) line.field("tls", record.tls);
  if (record.command) line.field("command", toString(*record.command));
  if (record.destination) line.field("to", record.destination->toString());
  if (record.address) line.field("address", record.address->toString());
  line.field("route", record.route).field("result", record.result);
  if (!record.reason.empty()) line.field("reason", record.reason);
  line.field("sent", record.traffic.sent).field("received", record.traffic.received);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - record.begun;
  line.field("seconds", seconds.count());
}

}  // namespace crossgate
