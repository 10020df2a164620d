// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/socket_owner.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>

#include "lib/fd.h"
#include "lib/octets.h"

namespace crossgate {
namespace {

struct Question {
  nlmsghdr header;
  inet_diag_req_v2 request;
};

void put(const Endpoint& endpoint, __be32 (&address)[4], __be16& port) {
  const auto octets = endpoint.address.octets();
  std::memcpy(address, octets.data(), octets.size());
  port = htons(endpoint.port);
}

// The kernel looks a datagram socket up as the datagrams that come to it would: from us, to them.
Question ask(SocketKind kind, const Endpoint& theirs, const Endpoint& ours) {
  Question question{};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  inet_diag_req_v2& request = question.request;
  const bool stream = kind == SocketKind::stream;
  request.sdiag_family = static_cast<std::uint8_t>(toAf(theirs.address.family()));
  request.sdiag_protocol = stream ? IPPROTO_TCP : IPPROTO_UDP;
  request.idiag_states = ~0U;
  put(stream ? theirs : ours, request.id.idiag_src, request.id.idiag_sport);
  put(stream ? ours : theirs, request.id.idiag_dst, request.id.idiag_dport);
  request.id.idiag_cookie[0] = request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return question;
}

Result<uid_t> read(std::span<const std::uint8_t> answer) {
  nlmsghdr header;
  if (answer.size() < sizeof header) return malformed("sock_diag: an answer that is none");
  std::memcpy(&header, answer.data(), sizeof header);
  if (header.nlmsg_type == NLMSG_ERROR) {
    nlmsgerr error{};
    std::memcpy(&error, answer.data() + NLMSG_HDRLEN, std::min(answer.size() - NLMSG_HDRLEN, sizeof error));
    return systemError("sock_diag", -error.error);
  }
  inet_diag_msg message;
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY || answer.size() < NLMSG_HDRLEN + sizeof message)
    return malformed("sock_diag: an answer that is none");
  std::memcpy(&message, answer.data() + NLMSG_HDRLEN, sizeof message);
  // A socket that its process has closed belongs to nobody, which reads as root's.
  if (message.idiag_inode == 0) return Error{Failure::peerGone, "its socket is closed"};
  return message.idiag_uid;
}

}  // namespace

Result<uid_t> ownerOf(SocketKind kind, const Endpoint& theirs, const Endpoint& ours) {
  const Fd netlink(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) return systemError("sock_diag", errno);
  const Question question = ask(kind, theirs.unmapped(), ours.unmapped());
  if (send(netlink.get(), &question, sizeof question, 0) < 0) return systemError("sock_diag", errno);
  alignas(nlmsghdr) std::array<std::uint8_t, 4096> answer;
  // The kernel has answered before send() returned.
  const ssize_t count = recv(netlink.get(), answer.data(), answer.size(), MSG_DONTWAIT);
  if (count < 0) return systemError("sock_diag", errno);
  return read({answer.data(), static_cast<std::size_t>(count)});
}

Result<void> checkOwner(uid_t owner, SocketKind kind, const Endpoint& theirs, const Endpoint& ours) {
  const auto found = ownerOf(kind, theirs, ours);
  if (!found) return Error{Failure::denied, "whose client it is, is not known: " + found.error().detail};
  if (*found == owner) return {};
  return Error{Failure::denied, "a client of user id " + std::to_string(*found) + ", which is not the owner"};
}

}  // namespace crossgate
