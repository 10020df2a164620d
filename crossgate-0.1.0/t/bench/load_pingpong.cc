// SPDX-License-Identifier: BSD-2-Clause
// Mode pingpong: one octet there and back over one relay, again and again.
#include <array>

#include "t/bench/load.h"
#include "t/bench/samples.h"

namespace crossgate::bench {
namespace {

struct State {
  Load& load;
  Window window;
  Samples trips;
};

Task<bool> playRound(State& state, Stream& stream, std::uint8_t ball) {
  const std::array<std::uint8_t, 1> out{ball};
  std::array<std::uint8_t, 1> in{};
  const TimePoint start = Clock::now();
  int error = co_await stream.writeAll(out);
  if (!error) error = co_await stream.readAll(in);
  if (error) co_return false;
  if (in != out) ++sharedTally().wrong;
  if (state.window.open()) state.trips.add(secondsSince(start));
  co_return true;
}

Job play(Loop& loop, State& state) {
  const Options& options = state.load.options;
  Opened opened =
      co_await state.load.client.open(socks5::Command::connect, state.load.destination(), after(10));
  if (!opened.stream) {
    state.load.report.fail("no relay: " + whyNot(opened));
    loop.stop();
    co_return;
  }
  const auto head = Order{Order::Kind::echo, false, options.seed, 0, 0}.encode();
  co_await opened.stream->writeAll(head);
  opened.stream->socket().setDeadline(TimePoint::max());
  const std::uint64_t wanted = options.count ? options.count : ~std::uint64_t{0};
  bool whole = true;
  for (std::uint8_t ball = 0; whole && state.trips.count() < wanted; ++ball) {
    whole = co_await playRound(state, *opened.stream, ball);
  }
  if (!whole && !loop.stopping()) state.load.report.fail("the relay broke off");
  state.window.end();
  loop.stop();
}

Job conduct(Loop& loop, State& state) {
  co_await state.window.pass();
  loop.stop();
}

}  // namespace

void runPingpong(Load& load) {
  State state{load, Window(load), {}};
  conduct(load.loop, state);
  play(load.loop, state);
  load.loop.run(400);
  Report& report = load.report;
  if (report.failed()) return;
  const auto trips = static_cast<double>(state.trips.count());
  report.add("trips", trips, "round trips");
  report.add("trip_p50_us", state.trips.percentile(0.5), "one octet there and back");
  report.add("trip_p99_us", state.trips.percentile(0.99), "");
  if (load.server && trips > 0)
    report.add("cpu_us_each", state.window.serverCpu() * 1e6 / trips, "the server's CPU for one");
  state.window.reportLoad(report);
  if (trips <= 0) report.fail("no round trip in the measured time");
}

}  // namespace crossgate::bench
