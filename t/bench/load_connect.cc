// SPDX-License-Identifier: BSD-2-Clause
// Mode connect: --concurrency clients, each opening a relay, sending a request of --octets, taking
// the answer of as many and the end of the stream, and closing; again and again.  With --rate one is begun at
// regular times instead, however long the earlier ones take.
//
// The destination closes first, as an HTTP/1.0 server does, so that no side of the server that is measured is
// left with ports in TIME_WAIT that the next connection would need.
#include <algorithm>
#include <vector>

#include "t/bench/load.h"
#include "t/bench/samples.h"

namespace crossgate::bench {
namespace {

constexpr double patienceSeconds = 10;

struct State {
  Load& load;
  Window window;
  Samples handshakes;
  Samples whole;
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::uint32_t seed;
  std::string why;
};

// Request, answer, end of stream; an errno.
Task<int> exchange(State& state, Stream& stream) {
  const unsigned octets = state.load.options.octets;
  const Order order{Order::Kind::exchange, false, ++state.seed,
                    octets - std::min<unsigned>(octets, Order::size), octets};
  std::vector<std::uint8_t> buffer(Order::size + order.up);
  const auto head = order.encode();
  std::copy(head.begin(), head.end(), buffer.begin());
  for (std::uint64_t done = 0; done < order.up;) {
    const auto piece = order.upPayload().at(done, order.up - done);
    std::copy(piece.begin(), piece.end(), buffer.begin() + static_cast<std::ptrdiff_t>(Order::size + done));
    done += piece.size();
  }
  if (const int error = co_await stream.writeAll(buffer)) co_return error;
  Tally& tally = sharedTally();
  const int error = co_await takePayload(stream, order.downPayload(), order.down, false, tally.downOctets);
  if (error == EBADMSG) ++tally.wrong;
  if (error) co_return error;
  const long end = co_await stream.read(buffer);
  if (end > 0) ++tally.wrong;
  co_return end == 0 ? 0 : EPROTO;
}

Task<bool> once(State& state) {
  const TimePoint start = Clock::now();
  Opened opened = co_await state.load.client.open(socks5::Command::connect, state.load.destination(),
                                                  after(patienceSeconds));
  if (!opened.stream) {
    state.why = whyNot(opened);
    co_return false;
  }
  const double handshake = secondsSince(start);
  if (const int error = co_await exchange(state, *opened.stream)) {
    state.why = "after the reply: " + std::string(std::strerror(error));
    co_return false;
  }
  if (!state.window.open()) co_return true;
  ++state.done;
  state.handshakes.add(handshake);
  state.whole.add(secondsSince(start));
  co_return true;
}

Task<bool> counted(Loop& loop, State& state) {
  const std::uint64_t limit = state.load.options.count;
  const bool ok = co_await once(state);
  if (loop.stopping()) co_return false;  // cut off by the end of the run: no failure
  if (!ok) ++state.failed;
  if (limit && state.done >= limit) {
    state.window.end();
    loop.stop();
  }
  co_return ok;
}

Job keepConnecting(Loop& loop, State& state) {
  while (!loop.stopping()) {
    const bool ok = co_await counted(loop, state);
    if (!ok) co_await loop.sleep(0.01);
  }
}

Job connectOnce(Loop& loop, State& state) { co_await counted(loop, state); }

Job keepPace(Loop& loop, State& state) {
  const TimePoint start = Clock::now();
  for (double begun = 0; !loop.stopping(); ++begun) {
    connectOnce(loop, state);
    co_await loop.sleep((begun + 1) / state.load.options.rate - secondsSince(start));
  }
}

Job conduct(Loop& loop, State& state) {
  const Options& options = state.load.options;
  if (options.rate > 0) keepPace(loop, state);
  for (unsigned i = 0; options.rate == 0 && i < options.concurrency; ++i) keepConnecting(loop, state);
  co_await state.window.pass();
  loop.stop();
}

}  // namespace

void runConnect(Load& load) {
  State state{load, Window(load), {}, {}, 0, 0, load.options.seed, {}};
  conduct(load.loop, state);
  load.loop.run(400);
  Report& report = load.report;
  const auto done = static_cast<double>(state.done);
  report.add("rate", done / state.window.seconds(), "connections per second");
  report.add("handshake_p50_us", state.handshakes.percentile(0.5), "from connect() to the reply");
  report.add("handshake_p99_us", state.handshakes.percentile(0.99), "");
  report.add("whole_p50_us", state.whole.percentile(0.5), "from connect() to the end of the answer");
  report.add("whole_p99_us", state.whole.percentile(0.99), "");
  if (load.server)
    report.add("cpu_us_each", state.window.serverCpu() * 1e6 / std::max(done, 1.0),
               "the server's CPU for one");
  if (load.options.route.tls) {
    report.add("tls_handshakes", static_cast<double>(load.client.handshakes()), "TLS handshakes in all");
    report.add("tls_resumed", static_cast<double>(load.client.resumed()), "of them resumed");
  }
  state.window.reportLoad(report);
  report.add("failures", static_cast<double>(state.failed), "connections that did not work");
  if (state.failed) report.fail(std::to_string(state.failed) + " connections failed; the last: " + state.why);
  if (!state.done) report.fail("no connection in the measured time");
}

}  // namespace crossgate::bench
