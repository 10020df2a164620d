// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/chain_datagrams.h"

#include "lib/socks5.h"

namespace crossgate {
namespace {

constexpr std::size_t maxVerdicts = 4096;
constexpr std::size_t keyAt = 3;  // behind RSV and FRAG

// Whether the hop that takes datagrams at `place` is the one whom the hop before it has named as the sender.
bool isFrom(const Destination& place, const Destination& sender) {
  if (sender.port != place.port) return false;
  const IpAddress* told = place.address();
  if (told == nullptr) return true;
  const IpAddress* seen = sender.address();
  return seen != nullptr && seen->unmapped() == told->unmapped().withoutZone();
}

}  // namespace

Result<std::unique_ptr<ChainDatagrams>> ChainDatagrams::open(EventLoop& loop, std::vector<Held> held,
                                                             const AddressPair& source, Permit permit,
                                                             DatagramCounts& counts) {
  const Destination& place = held.front().place;
  const IpAddress* address = place.address();
  if (address == nullptr) return Error{Failure::general, "the first hop takes datagrams at no address"};
  IpAddress to = address->unmapped();
  // SOCKS carries no zone: a link-local address is one of the link by which the hop itself was reached.
  if (!to.isV4() && to.isLinkLocal()) {
    const auto hop = peerEndpoint(held.front().stream->socket().fd());
    if (hop) to = IpAddress::v6(to.octets().first<16>(), hop->address.zone());
  }
  auto fd = openDatagramSocket(source.of(to.family()).value_or(IpAddress::any(to.family())), {});
  if (!fd) return fd.error();
  const Endpoint first{to, place.port};
  return std::unique_ptr<ChainDatagrams>(
      new ChainDatagrams(loop, *std::move(fd), first, std::move(held), std::move(permit), counts));
}

ChainDatagrams::ChainDatagrams(EventLoop& loop, Fd fd, const Endpoint& first, std::vector<Held> held,
                               Permit permit, DatagramCounts& counts)
    : held_(std::move(held)),
      permit_(std::move(permit)),
      counts_(counts),
      first_(first),
      socket_(loop, std::move(fd)) {
  headers_.resize(held_.size());
  for (std::size_t at = 1; at < held_.size(); ++at) encode(socks5::UdpHeader{0, held_[at].place}, headers_[at]);
}

void ChainDatagrams::start(ClientSide& client) {
  client_ = &client;
  tasks_.push_back(receiveBatches(socket_, [this](std::size_t count) { deliver(count); }));
  // Nothing that comes over a hop's TCP connection has a meaning; only its end has.
  for (const Held& held : held_) tasks_.push_back(discard(*held.stream, never));
  // Told at the very end of these, because the client's side may destroy all of this when it hears it.
  const auto lost = [](void* it) noexcept { static_cast<ClientSide*>(it)->lost(); };
  for (Task<void>& task : tasks_) task.start(lost, client_);
}

// ---- towards the destinations ----------------------------------------------------------------------

void ChainDatagrams::send(std::span<const OctetSpan> framed) {
  SendBatch& batch = sendBatch();
  std::array<Octets, batchSize> whole;
  std::size_t used = 0;
  for (const OctetSpan datagram : framed) {
    const std::size_t headerSize = frameHeaderSize(datagram);
    if (headerSize == 0) {
      counts_.drop(Drop::malformed);
    } else if (!permitted(datagram, headerSize)) {
      counts_.drop(Drop::denied);
    } else if (auto octets = nested(datagram); !octets) {
      counts_.drop(Drop::oversized);
    } else {
      whole[used] = *std::move(octets);
      batch.add(whole[used], first_, whole[used].size() - (datagram.size() - headerSize));
      ++used;
    }
    if (used == whole.size()) {
      flush();
      used = 0;
    }
  }
  if (used > 0) flush();
}

// What leaves for the first hop: inside out, the last hop's first.
Result<Octets> ChainDatagrams::nested(OctetSpan framed) const {
  Octets octets(framed.begin(), framed.end());
  for (std::size_t at = held_.size(); at-- > 0;) {
    if (held_[at].cipher != nullptr) {
      auto sealed = held_[at].cipher->wrap(octets);
      if (!sealed) return sealed;
      octets = *std::move(sealed);
    }
    octets.insert(octets.begin(), headers_[at].begin(), headers_[at].end());
  }
  return octets;
}

void ChainDatagrams::flush() {
  const SendBatch::Outcome outcome = sendBatch().flush(socket_.fd());
  counts_.sent += outcome.sent;
  counts_.octetsSent += outcome.octets;
  counts_.drop(Drop::oversized, outcome.oversized);
  counts_.drop(Drop::unsent, outcome.unsent);
}

bool ChainDatagrams::permitted(OctetSpan framed, std::size_t headerSize) {
  std::string key(reinterpret_cast<const char*>(framed.data()) + keyAt, headerSize - keyAt);
  if (const auto known = verdicts_.find(key); known != verdicts_.end()) return known->second;
  if (verdicts_.size() >= maxVerdicts) verdicts_.clear();
  return verdicts_[std::move(key)] = judge(framed);
}

bool ChainDatagrams::judge(OctetSpan framed) {
  Reader reader(framed);
  const auto header = socks5::decodeUdpHeader(reader);
  const Result<void> verdict = header ? permit_(header->destination) : Result<void>(header.error());
  if (!verdict && counts_.refusal.empty()) counts_.refusal = verdict.error().detail;
  return verdict.has_value();
}

// ---- towards the client ----------------------------------------------------------------------------

void ChainDatagrams::deliver(std::size_t count) {
  ReceiveBatch& batch = receiveBatch();
  std::array<OctetSpan, batchSize> framed;
  std::array<Octets, batchSize> opened;  // what the ciphers have made of them
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Endpoint sender = batch.sender(i);
    if (sender.address.unmapped() != first_.address || sender.port != first_.port) {
      counts_.drop(Drop::uninvited);
      continue;
    }
    OctetSpan datagram = batch.datagram(i);
    if (const auto why = unnest(datagram, opened[i]))
      counts_.drop(*why);
    else
      framed[kept++] = datagram;
  }
  client_->deliver({framed.data(), kept});
}

// Leaves of the datagram what the last hop has framed, in `opened` where a hop has sealed it; or tells why to drop it.
std::optional<Drop> ChainDatagrams::unnest(OctetSpan& datagram, Octets& opened) const {
  for (std::size_t at = 0;; ++at) {
    if (held_[at].cipher != nullptr) {
      auto unwrapped = held_[at].cipher->unwrap(datagram);
      if (!unwrapped) return Drop::malformed;
      opened = *std::move(unwrapped);
      datagram = opened;
    }
    const std::size_t headerSize = frameHeaderSize(datagram);
    if (headerSize == 0 || datagram[keyAt - 1] != 0) return Drop::malformed;
    if (at + 1 == held_.size()) return std::nullopt;
    Reader reader(datagram);
    const auto header = socks5::decodeUdpHeader(reader);
    if (!header) return Drop::malformed;
    if (!isFrom(held_[at + 1].place, header->destination)) return Drop::uninvited;
    datagram = datagram.subspan(headerSize);
  }
}

}  // namespace crossgate
