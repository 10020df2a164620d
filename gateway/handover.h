// SPDX-License-Identifier: BSD-2-Clause
// The whole contract between the master and a worker.
//
// A worker has one end of a SOCK_SEQPACKET socketpair.  The master sends
//   clients   up to 16 accepted descriptors (SCM_RIGHTS), an Entry for each;
//   noMore    no more clients will come: finish the relays you have and exit;
//   endNow    end every relay and exit; it may follow a noMore;
//   log       the descriptor of the log file that was opened again (SIGUSR1), at any time.
// A master that dies says noMore by the end of file, its last word.  The worker sends nothing: what it has
// finished stands on the Scoreboard, and when the master waits for room, the worker writes to the wake-up
// eventfd.
//
// Descriptors in a message that the worker has not read yet count as its relays: the master knows
// what it has assigned, and the Scoreboard what came back.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/scoreboard.h"
#include "lib/address.h"
#include "lib/fd.h"
#include "lib/fdpass.h"
#include "lib/result.h"

namespace crossgate {

class HopBoard;
class Log;
class RuleLedger;
struct Config;

/// A client on its way to a worker.
struct Client {
  Fd fd;
  Endpoint peer;
  Scoreboard::Ticket ticket = 0;
  std::uint16_t listener = 0;  ///< which of Config::listeners it came in by
};

/// What a worker hears from its master.
struct Orders {
  enum class Kind : std::uint8_t { nothing, clients, endNow, noMore, log, masterGone } kind = Kind::nothing;
  std::vector<Client> clients;  ///< without a descriptor, where this process could hold no more
  Fd log;                       ///< without one likewise
};

/// Sends clients, at most maxPassedFds; the caller keeps the descriptors and closes them afterwards.
Result<void> sendClients(int socket, std::span<const Client> clients);
Result<void> sendNoMore(int socket);
Result<void> sendEndNow(int socket);
Result<void> sendLog(int socket, int log);
/// Reads one message without waiting.  An Error means that the contract was broken: the worker exits.
Result<Orders> receiveOrders(int socket);

/// What a worker process is given at birth.
struct WorkerStart {
  const Config& config;
  const Log& log;
  Scoreboard& scoreboard;
  unsigned index;    ///< of its slot
  Fd orders;         ///< its end of the socketpair
  int wakeMaster;    ///< the eventfd
  int questions;     ///< for the auth helper (auth_protocol.h); -1 where there is none
  int gssQuestions;  ///< for the GSSAPI helper (gss_protocol.h); -1 where there is none
  int gssClientQuestions;  ///< for the GSSAPI client helper, likewise
  RuleLedger& ledger;
  HopBoard& hops;
};

/// The life of a worker process; returns when its work is done.
using WorkerMain = void (*)(WorkerStart start);

}  // namespace crossgate
