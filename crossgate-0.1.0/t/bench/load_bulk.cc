// SPDX-License-Identifier: BSD-2-Clause
// Mode bulk: --relays relays carry as much as they can, down, up or both ways.
//
// The receiver copies and checks one sixteenth of the octets and has the kernel drop the rest, so
// that the server, not the load, is the bottleneck.
#include <cstring>
#include <vector>

#include "t/bench/load.h"

namespace crossgate::bench {
namespace {

struct State {
  Load& load;
  Window window;
  std::vector<std::shared_ptr<Stream>> streams;
  std::vector<Order> orders;
  double octets = 0;
  unsigned failed = 0;
  std::string why;
};

double octetsSoFar() {
  return static_cast<double>(sharedTally().upOctets) + static_cast<double>(sharedTally().downOctets);
}

void note(State& state, Loop& loop, int error) {
  if (!error || loop.stopping()) return;
  if (error == EBADMSG) ++sharedTally().wrong;
  ++state.failed;
  state.why = std::strerror(error);
}

Job sendUp(Loop& loop, State& state, std::size_t index) {
  const auto stream = state.streams[index];
  const Order& order = state.orders[index];
  note(state, loop, co_await sendPayload(*stream, order.upPayload(), order.up));
}

Job takeDown(Loop& loop, State& state, std::size_t index) {
  const auto stream = state.streams[index];
  const Order& order = state.orders[index];
  const int error =
      co_await takePayload(*stream, order.downPayload(), order.down, order.sampled, sharedTally().downOctets);
  note(state, loop, error);
}

Task<bool> openAll(State& state) {
  const Options& options = state.load.options;
  const std::uint64_t up = options.direction == "down" ? 0 : Order::endless;
  const std::uint64_t down = options.direction == "up" ? 0 : Order::endless;
  for (unsigned i = 0; i < options.relays; ++i) {
    Opened opened =
        co_await state.load.client.open(socks5::Command::connect, state.load.destination(), after(10));
    if (!opened.stream) {
      state.load.report.fail("relay " + std::to_string(i) + ": " + whyNot(opened));
      co_return false;
    }
    const Order order{Order::Kind::stream, true, options.seed + i, up, down};
    const auto head = order.encode();
    const int error = co_await opened.stream->writeAll(head);
    if (error) co_return false;
    opened.stream->socket().setDeadline(TimePoint::max());
    state.streams.push_back(std::move(opened.stream));
    state.orders.push_back(order);
  }
  co_return true;
}

Job conduct(Loop& loop, State& state) {
  const bool ready = co_await openAll(state);
  if (ready) {
    for (std::size_t i = 0; i < state.streams.size(); ++i) {
      if (state.orders[i].up) sendUp(loop, state, i);
      if (state.orders[i].down) takeDown(loop, state, i);
    }
    co_await loop.sleep(state.load.options.warmupSeconds);
    state.window.begin();
    state.octets = -octetsSoFar();
    co_await loop.sleep(state.load.options.seconds);
    state.octets += octetsSoFar();
    state.window.end();
  }
  loop.stop();
}

}  // namespace

void runBulk(Load& load) {
  State state{load, Window(load), {}, {}, 0, 0, {}};
  conduct(load.loop, state);
  load.loop.run(400);
  Report& report = load.report;
  if (report.failed()) return;
  report.add("gbits", state.octets * 8e-9 / state.window.seconds(), "Gbit/s of payload");
  if (load.server)
    report.add("cpu_s_per_gb", state.window.serverCpu() / (state.octets / 1e9),
               "the server's CPU seconds for 10^9 octets");
  state.window.reportLoad(report);
  report.add("failures", state.failed, "directions that broke off");
  if (state.failed) report.fail(std::to_string(state.failed) + " directions broke off: " + state.why);
  if (state.octets <= 0) report.fail("nothing was carried");
}

}  // namespace crossgate::bench
