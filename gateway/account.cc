// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/account.h"

namespace crossgate {

namespace {

void addTraffic(Log::Line& line, const Traffic& traffic) {
  line.field("sent", traffic.sent).field("received", traffic.received);
}

void addDatagrams(Log::Line& line, const DatagramCounts& datagrams) {
  addTraffic(line, {datagrams.octetsSent, datagrams.octetsReceived});
  line.field("datagrams-sent", datagrams.sent).field("datagrams-received", datagrams.received);
  for (std::size_t i = 0; i < dropNames.size(); ++i) {
    if (datagrams.dropped[i] > 0) line.field(dropNames[i], datagrams.dropped[i]);
  }
}

}  // namespace

void account(const Log& log, const RelayRecord& record) {
  if (!log.wants(LogLevel::info)) return;
  auto line = log.line(LogLevel::info);
  line.field("relay", record.id).field("client", record.client.unmapped().toString());
  if (!record.who.user.empty()) line.field("user", record.who.user);
  if (record.who.method != socks5::Method::none) line.field("auth", toString(record.who.method));
  if (record.tls != nullptr) line.field("tls", record.tls);
  if (record.gss != nullptr) line.field("gssapi", record.gss);
  if (record.command) line.field("command", toString(*record.command));
  if (record.destination) line.field("to", record.destination->toString());
  if (record.address) line.field("address", record.address->toString());
  line.field("route", record.route).field("result", record.result);
  static const DatagramCounts none;
  const DatagramCounts& datagrams = record.datagrams ? *record.datagrams : none;
  const std::string& reason = record.reason.empty() ? datagrams.refusal : record.reason;
  if (!reason.empty()) line.field("reason", reason);
  if (record.command == Command::udp) {
    addDatagrams(line, datagrams);
  } else {
    addTraffic(line, record.traffic);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - record.begun;
  line.field("seconds", seconds.count());
}

}  // namespace crossgate
