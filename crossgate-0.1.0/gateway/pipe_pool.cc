// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace crossgate {
namespace {

constexpr std::size_t mostSpare = 16;
// One splice from a TCP socket fills a slot of the pipe with a fragment of up to 32 KiB, so the
// kernel's default of 16 slots would end a splice early on a fast link.
constexpr int wantedSize = 256 * 1024;

}  // namespace

Pipe& Pipe::operator=(Pipe&& other) noexcept {
  if (this != &other) {
    giveBack();
    pool_ = std::exchange(other.pool_, nullptr);
    readEnd_ = std::move(other.readEnd_);
    writeEnd_ = std::move(other.writeEnd_);
    held = std::exchange(other.held, 0);
  }
  return *this;
}

void Pipe::giveBack() noexcept {
  if (readEnd_ && held == 0 && pool_->spare_.size() < mostSpare) {
    pool_->spare_.push_back({std::move(readEnd_), std::move(writeEnd_)});
  }
  readEnd_.reset();
  writeEnd_.reset();
  held = 0;
}

Pipe PipePool::borrow() {
  Pipe pipe;
  pipe.pool_ = this;
  if (!spare_.empty()) {
    pipe.readEnd_ = std::move(spare_.back().readEnd);
    pipe.writeEnd_ = std::move(spare_.back().writeEnd);
    spare_.pop_back();
    return pipe;
  }
  int ends[2];
  if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return pipe;
  pipe.readEnd_ = Fd(ends[0]);
  pipe.writeEnd_ = Fd(ends[1]);
  fcntl(ends[1], F_SETPIPE_SZ, wantedSize);  // a wish: the user's limit of pipe pages may refuse it
  return pipe;
}

}  // namespace crossgate
