// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/associate.h"

#include <cerrno>

#include "gateway/socket_owner.h"

namespace crossgate {
namespace {

constexpr std::size_t fragmentAt = 2;

}  // namespace

const char* toString(AssociationEnd end) noexcept {
  switch (end) {
    case AssociationEnd::finished: return "ok";
    case AssociationEnd::idle: return "idle-timeout";
    case AssociationEnd::lost: return "hop-lost";
  }
  return "ok";
}

Result<std::unique_ptr<Association>> Association::open(EventLoop& loop, const AssociateOptions& options,
                                                       const IpAddress& local, const IpAddress& client,
                                                       const Destination& announced, std::optional<uid_t> owner,
                                                       DatagramCounts& counts) {
  auto fd = openDatagramSocket(local, options.ports);
  if (!fd) return fd.error();
  const auto bound = localEndpoint(fd->get());
  if (!bound) return systemError("getsockname", errno);
  const IpAddress* itself = announced.address();
  const bool tellsPort = itself != nullptr && itself->unmapped() == client.withoutZone();
  const Endpoint from{client, tellsPort ? announced.port : std::uint16_t{0}};
  return std::unique_ptr<Association>(new Association(loop, *std::move(fd), options, *bound, from, owner, counts));
}

Association::Association(EventLoop& loop, Fd fd, const AssociateOptions& options, const Endpoint& local,
                         const Endpoint& client, std::optional<uid_t> owner, DatagramCounts& counts)
    : options_(options),
      socket_(loop, std::move(fd)),
      ended_(loop),
      local_(local),
      client_(client),
      owner_(owner),
      counts_(counts),
      lastActivity_(Clock::now()) {}

Destination Association::place() const {
  return {options_.advertise.of(local_.address.family()).value_or(local_.address), local_.port};
}

Task<AssociationEnd> Association::serve(Stream& connection, DestinationSide& destination) {
  cipher_ = connection.datagrams();
  destination.start(*this);
  Task<void> datagrams = receiveBatches(socket_, [&](std::size_t count) { takeIn(destination, count); });
  datagrams.start([](void*) noexcept {}, nullptr);
  // Nothing that comes over the TCP connection has a meaning; only its end has.
  Task<void> watch = discard(connection, never);
  watch.start([](void* signal) noexcept { static_cast<Signal*>(signal)->notify(); }, &ended_);
  while (!watch.done()) {
    if (isLost_) co_return AssociationEnd::lost;
    const Deadline patience = lastActivity_ + options_.idle;
    if (Clock::now() >= patience) co_return AssociationEnd::idle;
    co_await ended_.wait(patience);
  }
  co_return AssociationEnd::finished;
}

void Association::lost() {
  isLost_ = true;
  ended_.notify();
}

// ---- from the client -------------------------------------------------------------------------------

void Association::takeIn(DestinationSide& destination, std::size_t count) {
  ReceiveBatch& batch = receiveBatch();
  std::array<OctetSpan, batchSize> framed;
  std::array<Octets, batchSize> opened;  // what the cipher has made of them
  std::size_t whole = 0;
  const auto passOn = [&] {
    if (whole > 0) destination.send({framed.data(), std::exchange(whole, 0)});
  };
  bool active = false;
  for (std::size_t i = 0; i < count; ++i) {
    OctetSpan datagram = batch.datagram(i);
    if (!isClients(batch.sender(i))) {
      counts_.drop(Drop::foreign);
      continue;
    }
    if (cipher_ != nullptr) {
      auto unwrapped = cipher_->unwrap(datagram);
      if (!unwrapped) {
        counts_.drop(Drop::malformed);
        continue;
      }
      opened[i] = *std::move(unwrapped);
      datagram = opened[i];
    }
    client_.port = batch.sender(i).port;
    active = true;
    if (frameHeaderSize(datagram) == 0) {
      counts_.drop(Drop::malformed);
    } else if (datagram[fragmentAt] == 0) {
      reassembly_.interrupt();
      framed[whole++] = datagram;
    } else {
      passOn();  // what came before a fragment leaves before it
      takeFragment(destination, datagram);
    }
  }
  passOn();
  if (active) lastActivity_ = Clock::now();
  counts_.drop(Drop::fragment,
               reassembly_.dropped() - std::exchange(fragmentsDropped_, reassembly_.dropped()));
}

bool Association::isClients(const Endpoint& sender) {
  if (sender.address.unmapped() != client_.address) return false;
  if (client_.port != 0 && sender.port != client_.port) return false;
  if (owner_ && !checkOwner(*owner_, SocketKind::datagram, sender, local_)) return false;
  owner_.reset();
  return true;
}

void Association::takeFragment(DestinationSide& destination, OctetSpan datagram) {
  if (options_.fragments == Fragments::drop) return counts_.drop(Drop::fragment);
  const auto whole = reassembly_.add(datagram, frameHeaderSize(datagram), Clock::now());
  if (whole) destination.send({&*whole, 1});
}

// ---- to the client -----------------------------------------------------------------------------------

void Association::deliver(std::span<const OctetSpan> framed) {
  if (framed.empty()) return;  // nobody but strangers has sent, who keep nothing alive
  if (client_.port == 0) return counts_.drop(Drop::uninvited, framed.size());
  SendBatch& batch = sendBatch();
  while (!framed.empty()) {
    std::array<Octets, batchSize> wrapped;
    for (std::size_t i = 0; i < batchSize && !framed.empty() && !batch.full(); framed = framed.subspan(1), ++i) {
      OctetSpan datagram = framed.front();
      const std::size_t payload = datagram.size() - frameHeaderSize(datagram);
      if (cipher_ != nullptr) {
        auto made = cipher_->wrap(datagram);
        if (!made) {
          counts_.drop(Drop::oversized);
          continue;
        }
        wrapped[i] = *std::move(made);
        datagram = wrapped[i];
      }
      batch.add(datagram, client_, datagram.size() - payload);
    }
    const SendBatch::Outcome outcome = batch.flush(socket_.fd());
    counts_.received += outcome.sent;
    counts_.octetsReceived += outcome.octets;
    counts_.drop(Drop::oversized, outcome.oversized);
    counts_.drop(Drop::unsent, outcome.unsent);
  }
  lastActivity_ = Clock::now();
}

}  // namespace crossgate
