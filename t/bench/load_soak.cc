// SPDX-License-Identifier: BSD-2-Clause
// Mode soak: --count relays of every kind, --concurrency at a time, in an order that --seed determines:
// transfers of all sizes, half-closes, aborts from either side, clients that leave in the middle of
// the conversation, destinations that refuse.  Every octet is checked, and at the end the destination must
// have got all of every transfer that no side aborted.
//
// The server's memory, descriptors and processes are read after a tenth of the relays and at the end: they
// should not have grown.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <vector>

#include "t/bench/load.h"

namespace crossgate::bench {
namespace {

constexpr double patienceSeconds = 30;  // for one relay
constexpr double settleSeconds = 2;

enum class Kind : std::size_t {
  exchange,
  bothWays,
  echo,
  destinationAborts,
  clientAborts,
  leaves,
  refused,
  count
};
constexpr std::array<const char*, static_cast<std::size_t>(Kind::count)> kindNames{
    "exchange", "both_ways", "echo", "destination_aborts", "client_aborts", "leaves", "refused"};

struct State {
  explicit State(Load& given) : load(given), random(given.options.seed) {}

  Load& load;
  std::mt19937 random;
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;
  std::uint64_t expected = 0;  // transfers that the destination must get all of
  std::uint16_t closedPort = 0;
  std::array<std::uint64_t, kindNames.size()> done{};
  std::array<std::uint64_t, kindNames.size()> failed{};
  std::string why;
  Memory early;
  Memory late;
  double seconds = 0;
};

// Mostly small, sometimes many buffers long.
std::uint64_t randomSize(State& state) {
  const auto bits = static_cast<std::uint32_t>(state.random());
  return bits % (bits % 16 == 0 ? 1000000 : 20000);
}

Kind randomKind(State& state) {
  const auto dice = static_cast<unsigned>(state.random() % 100);
  if (dice < 40) return Kind::exchange;
  if (dice < 60) return Kind::bothWays;
  if (dice < 70) return Kind::echo;
  if (dice < 80) return Kind::destinationAborts;
  if (dice < 90) return Kind::clientAborts;
  return dice < 95 ? Kind::leaves : Kind::refused;
}

int sum(int error) {
  if (error == EBADMSG) ++sharedTally().wrong;
  return error;
}

Task<int> takeDown(Stream& stream, Order order) {
  co_return sum(
      co_await takePayload(stream, order.downPayload(), order.down, false, sharedTally().downOctets));
}

Task<int> expectEnd(Stream& stream) {
  std::array<std::uint8_t, 1> more;
  const long got = co_await stream.read(more);
  if (got > 0) ++sharedTally().wrong;
  co_return got == 0 ? 0 : got > 0 ? EBADMSG : static_cast<int>(-got);
}

Task<int> exchange(State& state, Stream& stream, Order order) {
  ++state.expected;
  if (const int error = co_await sendPayload(stream, order.upPayload(), order.up)) co_return error;
  if (const int error = co_await takeDown(stream, order)) co_return error;
  co_return co_await expectEnd(stream);
}

// Both directions at once, each ended by its own sender: whichever is longer runs on half-closed.
// The sender may outlive the receiver when the run is cut off, so that the two share what they tell.
struct Sender {
  int error = 0;
  bool over = false;
};

Job sendUp(Loop&, std::shared_ptr<Stream> stream, Order order, std::shared_ptr<Sender> sender) {
  sender->error = co_await sendPayload(*stream, order.upPayload(), order.up);
  stream->shutdownWrite();
  sender->over = true;
}

Task<int> bothWays(State& state, std::shared_ptr<Stream> stream, Order order) {
  ++state.expected;
  const auto sender = std::make_shared<Sender>();
  sendUp(state.load.loop, stream, order, sender);
  int error = co_await takeDown(*stream, order);
  if (!error) error = co_await expectEnd(*stream);
  while (!sender->over && !state.load.loop.stopping()) co_await state.load.loop.sleep(0.001);
  co_return error ? error : sender->error;
}

Task<int> echo(State& state, Stream& stream, Order order) {
  std::array<std::uint8_t, 300> in;
  const Payload payload = order.upPayload();
  for (unsigned i = 0; i < 1 + state.random() % 5; ++i) {
    const auto out = payload.at(i * in.size(), in.size());
    if (const int error = co_await stream.writeAll(out)) co_return error;
    if (const int error = co_await stream.readAll(in)) co_return error;
    if (!payload.matches(i * in.size(), in)) co_return sum(EBADMSG);
  }
  co_return 0;
}

// However it ends, what came before the end must be right, and the end must come.
Task<int> seeAbort(Stream& stream, Order order) {
  const int error = co_await takeDown(stream, {order.kind, order.sampled, order.seed, 0, Order::endless});
  co_return error == EBADMSG || error == ETIMEDOUT ? error : 0;
}

Task<int> abortMidway(Stream& stream, Order order, std::uint64_t until) {
  co_await takePayload(stream, order.downPayload(), until, false, sharedTally().downOctets);
  stream.abortOnClose();
  co_return 0;
}

Order randomOrder(State& state, Kind kind) {
  Order order{Order::Kind::exchange, false, static_cast<std::uint32_t>(state.begun), randomSize(state),
              randomSize(state)};
  if (kind == Kind::bothWays) order.kind = Order::Kind::stream;
  if (kind == Kind::echo) order.kind = Order::Kind::echo;
  if (kind == Kind::destinationAborts)
    order = {Order::Kind::abort, false, order.seed, Order::endless, order.down};
  if (kind == Kind::clientAborts)
    order = {Order::Kind::stream, false, order.seed, Order::endless, Order::endless};
  return order;
}

Task<int> carry(State& state, std::shared_ptr<Stream> stream, Kind kind) {
  const Order order = randomOrder(state, kind);
  const auto head = order.encode();
  if (const int error = co_await stream->writeAll(head)) co_return error;
  switch (kind) {
    case Kind::exchange: co_return co_await exchange(state, *stream, order);
    case Kind::bothWays: co_return co_await bothWays(state, stream, order);
    case Kind::echo: co_return co_await echo(state, *stream, order);
    case Kind::destinationAborts: co_return co_await seeAbort(*stream, order);
    case Kind::clientAborts: co_return co_await abortMidway(*stream, order, randomSize(state));
    default: co_return 0;
  }
}

// Leaves after zero to all octets of the greeting, with FIN or RST.
Task<int> leave(State& state) {
  const Route& route = state.load.client.route();
  const Endpoint to =
      route.gateway.value_or(Endpoint{IpAddress::loopback(Family::ipv4), state.load.destinationPort});
  Connected connected = co_await connectTo(state.load.loop, to, after(patienceSeconds));
  if (!connected.stream) co_return connected.error;
  const std::array<std::uint8_t, 4> greeting{5, 2, 0, 2};
  co_await connected.stream->writeAll(std::span(greeting).first(state.random() % 5));
  if (state.random() % 2) connected.stream->abortOnClose();
  co_return 0;
}

Task<int> beRefused(State& state) {
  Opened opened = co_await state.load.client.open(
      socks5::Command::connect, {IpAddress::loopback(state.load.options.family), state.closedPort},
      after(patienceSeconds));
  if (opened.stream) co_return EISCONN;
  co_return opened.error == ECONNREFUSED ? 0 : opened.error;
}

Task<int> playOne(State& state, Kind kind) {
  if (kind == Kind::leaves) co_return co_await leave(state);
  if (kind == Kind::refused) co_return co_await beRefused(state);
  Opened opened = co_await state.load.client.open(socks5::Command::connect, state.load.destination(),
                                                  after(patienceSeconds));
  if (!opened.stream) co_return opened.error;
  co_return co_await carry(state, std::move(opened.stream), kind);
}

Job playMany(Loop& loop, State& state) {
  const std::uint64_t count = state.load.options.count;
  while (state.begun < count) {
    ++state.begun;
    const Kind kind = randomKind(state);
    const auto index = static_cast<std::size_t>(kind);
    const int error = co_await playOne(state, kind);
    if (loop.stopping()) co_return;
    ++(error ? state.failed : state.done)[index];
    if (error) state.why = std::string(kindNames[index]) + ": " + std::strerror(error);
    if (++state.ended == std::max<std::uint64_t>(count / 10, 1) && state.load.server)
      state.early = state.load.server.memory();
  }
}

Job conduct(Loop& loop, State& state) {
  const TimePoint start = Clock::now();
  for (unsigned i = 0; i < state.load.options.concurrency; ++i) playMany(loop, state);
  while (state.ended < state.load.options.count && !loop.stopping()) co_await loop.sleep(0.02);
  state.seconds = secondsSince(start);
  co_await loop.sleep(settleSeconds);
  if (state.load.server) state.late = state.load.server.memory();
  loop.stop();
}

// A port where nobody listens: bound, so that nobody else gets it, but not listened on.
Fd closedPort(const Load& load, std::uint16_t& port) {
  Fd fd = bindSocket({IpAddress::loopback(load.options.family), 0}, SOCK_STREAM);
  port = localEndpoint(fd.get())->port;
  return fd;
}

void reportMemory(Report& report, const State& state) {
  // Pages of files count as whoever else maps them comes and goes.
  report.add("anonymous_kb_early", static_cast<double>(state.early.anonymousKb),
             "the server's PSS without pages of files, after a tenth of the relays");
  report.add("anonymous_kb_end", static_cast<double>(state.late.anonymousKb), "and at the end, idle");
  report.add("descriptors_early", state.early.descriptors, "its descriptors, with relays open");
  report.add("descriptors_end", state.late.descriptors, "and at the end, idle");
  report.add("processes_early", state.early.processes, "its processes");
  report.add("processes_end", state.late.processes, "and at the end, idle");
}

}  // namespace

void runSoak(Load& load) {
  if (!load.options.count) load.options.count = 10000;
  State state(load);
  const Fd closed = closedPort(load, state.closedPort);
  conduct(load.loop, state);
  const bool inTime = load.loop.run(3600);
  Report& report = load.report;
  const Tally& tally = sharedTally();
  report.add("relays", static_cast<double>(state.ended), "played to their end");
  report.add("seconds", state.seconds, "");
  report.add("gb", static_cast<double>(tally.upOctets + tally.downOctets) / 1e9,
             "10^9 octets carried and checked");
  std::uint64_t failures = 0;
  for (std::size_t i = 0; i < kindNames.size(); ++i) {
    report.add((std::string(kindNames[i]) + "_failed").c_str(), static_cast<double>(state.failed[i]),
               ("of " + std::to_string(state.done[i] + state.failed[i])).c_str());
    failures += state.failed[i];
  }
  if (load.server) reportMemory(report, state);
  if (failures) report.fail(std::to_string(failures) + " relays failed; the last: " + state.why);
  if (!inTime) report.fail("relays were left hanging");
  if (!failures && tally.completed != state.expected) {
    report.fail("the destination got " + std::to_string(tally.completed) + " whole transfers of " +
                std::to_string(state.expected));
  }
}

}  // namespace crossgate::bench
