// SPDX-License-Identifier: BSD-2-Clause
// PipePool: the pipes through which splice(2) moves octets from socket to socket.  One per worker: a
// relay borrows a pipe only while octets are in it, so that idle relays hold none.
#pragma once

#include <cstddef>
#include <vector>

#include "lib/fd.h"

namespace crossgate {

class PipePool;

/// A borrowed pipe.  Given back when it is destroyed empty; one that still holds octets is closed.
class Pipe {
 public:
  Pipe() noexcept = default;
  Pipe(Pipe&&) noexcept = default;
  Pipe& operator=(Pipe&& other) noexcept;
  ~Pipe() { giveBack(); }

  explicit operator bool() const noexcept { return static_cast<bool>(readEnd_); }
  int readEnd() const noexcept { return readEnd_.get(); }
  int writeEnd() const noexcept { return writeEnd_.get(); }
  void giveBack() noexcept;

  std::size_t held = 0;  ///< octets that are in it

 private:
  friend class PipePool;
  PipePool* pool_ = nullptr;
  Fd readEnd_;
  Fd writeEnd_;
};

class PipePool {
 public:
  /// An empty pipe; false when no descriptor is left for one.
  Pipe borrow();

 private:
  friend class Pipe;
  struct Ends {
    Fd readEnd, writeEnd;
  };
  std::vector<Ends> spare_;
};

}  // namespace crossgate
