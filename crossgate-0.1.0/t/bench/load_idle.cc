// SPDX-License-Identifier: BSD-2-Clause
// Mode idle: --relays relays are opened and held.  Then the server's memory is read, --active of
// the relays carry --octets there and back as fast as they can, and new ones are opened one by one.
//
// Memory is told twice: what the server grew by since it had no relay, and all it has; a server that
// starts its processes beforehand grows little and has much.
#include <algorithm>
#include <cstring>
#include <vector>

#include "t/bench/load.h"
#include "t/bench/samples.h"

namespace crossgate::bench {
namespace {

constexpr unsigned newRelays = 200;     // opened one by one while the others are held
constexpr double openingSeconds = 120;  // for all that are held
constexpr double settleSeconds = 1;

struct State {
  Load& load;
  Window window;
  std::vector<std::unique_ptr<Stream>> streams;
  unsigned asked = 0;  // relays that an opener has begun
  unsigned openers = 0;
  bool over = false;  // the active ones finish the trip they are on
  std::string why;
  Memory before;
  Memory held;
  double openedIn = 0;
  Samples latencies;
  Samples newHandshakes;
};

Task<bool> openOne(State& state, TimePoint deadline) {
  Opened opened =
      co_await state.load.client.open(socks5::Command::connect, state.load.destination(), deadline);
  if (!opened.stream) {
    state.why = whyNot(opened);
    co_return false;
  }
  const auto head = Order{Order::Kind::echo, false, state.load.options.seed, 0, 0}.encode();
  if (const int error = co_await opened.stream->writeAll(head)) {
    state.why = std::strerror(error);
    co_return false;
  }
  opened.stream->socket().setDeadline(TimePoint::max());
  state.streams.push_back(std::move(opened.stream));
  co_return true;
}

Job openSome(Loop&, State& state, TimePoint deadline) {
  ++state.openers;
  while (state.asked < state.load.options.relays) {
    ++state.asked;
    const bool opened = co_await openOne(state, deadline);
    if (!opened) break;
  }
  --state.openers;
}

// There and back; false when the relay is broken or the phase over.
Task<bool> trip(State& state, Stream& stream, Payload payload, std::uint64_t position) {
  const auto out = payload.at(position, state.load.options.octets);
  std::vector<std::uint8_t> in(out.size());
  const TimePoint start = Clock::now();
  int error = co_await stream.writeAll(out);
  if (!error) error = co_await stream.readAll(in);
  if (error) co_return false;
  if (!payload.matches(position, in)) ++sharedTally().wrong;
  if (state.window.open()) state.latencies.add(secondsSince(start));
  co_return true;
}

Job keepTripping(Loop& loop, State& state, std::size_t index) {
  const Payload payload(index);
  for (std::uint64_t position = 0; !state.over; position += state.load.options.octets) {
    const bool whole = co_await trip(state, *state.streams[index], payload, position);
    if (whole) continue;
    if (!loop.stopping()) state.load.report.fail("a held relay broke off");
    co_return;
  }
}

Task<bool> hold(State& state) {
  Loop& loop = state.load.loop;
  const TimePoint start = Clock::now();
  if (state.load.server) state.before = state.load.server.memory();
  for (unsigned i = 0; i < state.load.options.concurrency; ++i) openSome(loop, state, after(openingSeconds));
  while (state.openers > 0) co_await loop.sleep(0.01);
  state.openedIn = secondsSince(start);
  if (state.streams.size() < state.load.options.relays) {
    state.load.report.fail("only " + std::to_string(state.streams.size()) +
                           " relays could be opened: " + state.why);
    co_return false;
  }
  co_await loop.sleep(settleSeconds);
  if (state.load.server) state.held = state.load.server.memory();
  co_return true;
}

Task<bool> openNewOnes(State& state) {
  for (unsigned i = 0; i < newRelays; ++i) {
    const TimePoint start = Clock::now();
    const bool opened = co_await openOne(state, after(10));
    if (!opened) {
      state.load.report.fail("a new relay beside the held ones: " + state.why);
      co_return false;
    }
    state.newHandshakes.add(secondsSince(start));
    state.streams.pop_back();
  }
  co_return true;
}

Job conduct(Loop& loop, State& state) {
  const bool held = co_await hold(state);
  if (held) {
    const std::size_t active = std::min<std::size_t>(state.load.options.active, state.streams.size());
    const std::size_t step = state.streams.size() / active;
    for (std::size_t i = 0; i < active; ++i) keepTripping(loop, state, i * step);
    co_await state.window.pass();
    state.over = true;
    co_await loop.sleep(0.2);
    co_await openNewOnes(state);
  }
  loop.stop();
}

void reportMemory(Report& report, const State& state) {
  const double relays = state.load.options.relays;
  const auto kb = [](std::uint64_t value) { return static_cast<double>(value); };
  report.add("pss_kb_total", kb(state.held.pssKb), "PSS of all the server's processes");
  report.add("pss_kb_each", kb(state.held.pssKb) / relays, "the same for one relay");
  report.add("pss_kb_growth_each", (kb(state.held.pssKb) - kb(state.before.pssKb)) / relays,
             "growth since there was no relay, for one");
  report.add("page_tables_kb_each", kb(state.held.pageTablesKb) / relays,
             "page tables (VmPTE) for one relay");
  report.add("processes", state.held.processes, "the server's processes");
  report.add("threads", state.held.threads, "the server's threads");
  report.add("descriptors_each", state.held.descriptors / relays, "descriptors for one relay");
}

}  // namespace

void runIdle(Load& load) {
  State state{load, Window(load), {}, 0, 0, false, {}, {}, {}, 0, {}, {}};
  conduct(load.loop, state);
  load.loop.run(500);
  Report& report = load.report;
  if (report.failed()) return;
  report.add("relays", load.options.relays, "held");
  report.add("opened_in_s", state.openedIn, "seconds until all were open");
  if (load.server) reportMemory(report, state);
  report.add("latency_p50_us", state.latencies.percentile(0.5), "there and back over an active one");
  report.add("latency_p99_us", state.latencies.percentile(0.99), "");
  report.add("trips_per_s", static_cast<double>(state.latencies.count()) / state.window.seconds(),
             "over all active ones");
  report.add("new_p50_us", state.newHandshakes.percentile(0.5), "a new relay's handshake beside them");
  report.add("new_p99_us", state.newHandshakes.percentile(0.99), "");
  state.window.reportLoad(report);
}

}  // namespace crossgate::bench
