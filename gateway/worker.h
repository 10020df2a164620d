// SPDX-License-Identifier: BSD-2-Clause
// Worker: a process that serves relays on one event loop.  It owns its sessions, takes clients from
// the master (see handover.h) and exits when no more will come and the last relay has ended.
#pragma once

#include "gateway/handover.h"

namespace crossgate {

/// The life of a worker process; see WorkerMain.
void runWorker(WorkerStart start);

/// Asks the system, once for all workers, what they can't in their sandbox: the time zone, and the limit of
/// descriptors, which is set by then.
void prepareWorkers() noexcept;

}  // namespace crossgate
