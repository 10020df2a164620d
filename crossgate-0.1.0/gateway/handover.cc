// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/handover.h"

#include <array>
#include <cstring>

namespace crossgate {
namespace {

enum class MessageType : std::uint32_t { clients = 1, noMore = 2, endNow = 3 };

// Both ends are the same program, so the layout is the compiler's.
struct Entry {
  Scoreboard::Ticket ticket;
  std::uint16_t listener;
  std::uint16_t port;
  Family family;
  std::uint8_t octets[16];
  std::uint32_t zone;
};

struct Message {
  MessageType type;
  std::uint32_t count;
  std::array<Entry, maxPassedFds> entries;
};

constexpr std::size_t sizeWith(std::size_t count) {
  return offsetof(Message, entries) + count * sizeof(Entry);
}

Entry pack(const Client& client) {
  Entry entry{};
  entry.ticket = client.ticket;
  entry.listener = client.listener;
  entry.port = client.peer.port;
  entry.family = client.peer.address.family();
  entry.zone = client.peer.address.zone();
  const auto octets = client.peer.address.octets();
  std::memcpy(entry.octets, octets.data(), octets.size());
  return entry;
}

Endpoint unpack(const Entry& entry) {
  const std::span<const std::uint8_t, 16> octets(entry.octets);
  if (entry.family == Family::ipv4) return {IpAddress::v4(octets.first<4>()), entry.port};
  return {IpAddress::v6(octets, entry.zone), entry.port};
}

OctetSpan asOctets(const Message& message, std::size_t size) {
  return {reinterpret_cast<const std::uint8_t*>(&message), size};
}

Result<void> sendBare(int socket, MessageType type) {
  Message message;
  message.type = type;
  message.count = 0;
  return sendWithFds(socket, asOctets(message, sizeWith(0)), {});
}

}  // namespace

Result<void> sendClients(int socket, std::span<const Client> clients) {
  Message message;
  std::array<int, maxPassedFds> fds;
  message.type = MessageType::clients;
  message.count = static_cast<std::uint32_t>(clients.size());
  for (std::size_t i = 0; i < clients.size(); ++i) {
    message.entries[i] = pack(clients[i]);
    fds[i] = clients[i].fd.get();
  }
  return sendWithFds(socket, asOctets(message, sizeWith(clients.size())), {fds.data(), clients.size()});
}

Result<void> sendNoMore(int socket) { return sendBare(socket, MessageType::noMore); }
Result<void> sendEndNow(int socket) { return sendBare(socket, MessageType::endNow); }

Result<Orders> receiveOrders(int socket) {
  Message message;
  auto received = receiveWithFds(socket, {reinterpret_cast<std::uint8_t*>(&message), sizeof message});
  if (!received) return received.error();
  Orders orders;
  if (received->wouldBlock) return orders;
  if (received->octets == 0) {
    orders.kind = Orders::Kind::masterGone;
    return orders;
  }
  const bool whole = received->octets >= sizeWith(0) && message.count <= maxPassedFds &&
                     received->octets == sizeWith(message.count) &&
                     (received->fdCount == message.count || received->fdsLost);
  if (!whole) return malformed("a message of the master that makes no sense");
  if (message.type != MessageType::clients) {
    orders.kind = message.type == MessageType::endNow ? Orders::Kind::endNow : Orders::Kind::noMore;
    return orders;
  }
  orders.kind = Orders::Kind::clients;
  for (std::size_t i = 0; i < message.count; ++i) {
    const Entry& entry = message.entries[i];
    orders.clients.push_back({std::move(received->fds[i]), unpack(entry), entry.ticket, entry.listener});
  }
  return orders;
}

}  // namespace crossgate
