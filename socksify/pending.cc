// SPDX-License-Identifier: BSD-2-Clause
#include "socksify/pending.h"

#include <algorithm>
#include <vector>

#include "socksify/background.h"
#include "socksify/control_connections.h"
#include "socksify/socks_lib.h"
#include "socksify/swap.h"

namespace crossgate::socksify {
namespace {

class PendingConnection final : public Job {
 public:
  PendingConnection(int fd, std::unique_ptr<GatewayLink> link, const ShownSocket& shown,
                    Destination destination, Clock::time_point deadline)
      : fds_{fd},
        cookie_(socketCookie(fd)),
        link_(std::move(link)),
        shown_(shown),
        destination_(std::move(destination)),
        deadline_(deadline) {}

  int fd() const noexcept override { return link_->fd(); }
  short events() const noexcept override { return link_->events(); }
  Clock::time_point deadline() const noexcept override { return deadline_; }

  bool step() override {
    auto progress = link_->advance();
    if (!progress) {
      finish(failureOf(*link_, progress.error(), destination_));
    } else if (*progress == GatewayLink::Progress::done) {
      const auto code = link_->reply().code;
      finish(code == socks5::ReplyCode::succeeded ? 0 : errnoOf(socks5::failureOf(code)));
    } else if (Clock::now() < deadline_) {
      return false;
    } else {
      finish(ETIMEDOUT);
    }
    return true;
  }

  bool isConnecting(int fd) const noexcept override { return holds(fd) && socketCookie(fd) == cookie_; }
  void duplicated(int from, int to) override {
    if (holds(from)) fds_.push_back(to);
  }
  bool leftBehind(int fd) override {
    std::erase(fds_, fd);
    return fds_.empty();
  }

 private:
  bool holds(int fd) const noexcept { return std::find(fds_.begin(), fds_.end(), fd) != fds_.end(); }

  void finish(int error) {
    // The numbers that still are the placeholder: a raw close() may have given one to somebody else.
    std::erase_if(fds_, [this](int fd) { return socketCookie(fd) != cookie_; });
    HiddenSocket socket = error == 0 ? link_->takeSocket() : makeRefused(toAf(shown_.family));
    shown_.error = error;
    if (error == 0) {
      if (const auto end = shownLocalEnd(link_->reply(), destination_, shown_.family)) shown_.local = end;
    }
    // Remembered first: the program may look as soon as the number changes hands.
    SocksLib::get().sockets().remember(socket.cookie(), shown_);
    swapUnder(fds_, std::move(socket));
    if (error == 0 && !fds_.empty()) noteConnection(fds_.front(), destination_, shown_.peer);
    if (error == 0) std::for_each(fds_.begin(), fds_.end(), settled);
  }

  std::vector<int> fds_;  // every number of the placeholder
  std::uint64_t cookie_;  // the placeholder's
  std::unique_ptr<GatewayLink> link_;
  ShownSocket shown_;
  Destination destination_;
  Clock::time_point deadline_;
};

}  // namespace

bool addPending(int fd, std::unique_ptr<GatewayLink> link, const ShownSocket& shown,
                const Destination& destination, Clock::time_point deadline) noexcept {
  return addJob(std::make_unique<PendingConnection>(fd, std::move(link), shown, destination, deadline));
}

int failureOf(const GatewayLink& link, const Error& error, const Destination& destination) noexcept {
  tell("%s: %s", destination.toString().c_str(), error.detail.c_str());
  // Octets of a server that breaks off, or that speaks no SOCKS, are no refusal by the destination.
  if (link.connected() && error.failure == Failure::peerGone) return ECONNABORTED;
  return errnoOf(error.failure);
}

}  // namespace crossgate::socksify
