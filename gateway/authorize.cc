// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/authorize.h"

namespace crossgate {
namespace {

Result<void> judge(const Authorization& asked, const IpAddress& address) {
  const auto isOwn = [&](const IpAddress& candidate) { return asked.own.contains(candidate); };
  return asked.rules.judgeAddress(asked.subject, asked.command, asked.destination.name(), address.unmapped(),
                                  asked.destination.port, isOwn);
}

}  // namespace

Result<void> authorize(const Authorization& asked) {
  if (const IpAddress* address = asked.destination.address()) return judge(asked, *address);
  return asked.rules.judgeName(asked.subject, asked.command, *asked.destination.name(),
                               asked.destination.port);
}

Admit admission(const Authorization& asked) {
  return [&asked](const IpAddress& address) { return judge(asked, address); };
}

}  // namespace crossgate
