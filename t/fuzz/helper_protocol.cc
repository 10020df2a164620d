// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes what the helpers and the workers tell each other: a worker that was taken over must not get
// further than the end of a conversation.  The first octet says which message, the rest is the record.
#include <sys/socket.h>

#include <cstdlib>

#include "gateway/auth_protocol.h"
#include "gateway/gss_protocol.h"
#include "lib/fdpass.h"
#include "t/fuzz/Fuzz.h"

using namespace crossgate;

namespace {

void receiveAs(std::uint8_t kind, int socket) {
  switch (kind % 5) {
    case 0:
      if (const auto question = receiveQuestion(socket); question && *question) {
        ensure((*question)->login.user.size() <= 255 && (*question)->login.password.size() <= 255);
      }
      return;
    case 1:
      if (const auto channel = receiveChannel(socket); channel && *channel) ensure((*channel)->get() >= 0);
      return;
    case 2:
      if (const auto answer = receiveAnswer(socket); answer && *answer) {
        ensure((*answer)->verdict >= LoginVerdict::accepted && (*answer)->verdict <= LoginVerdict::unavailable);
      }
      return;
    case 3: (void)acceptGssConversation(socket); return;
    default:
      if (const auto answer = receiveGssAnswer(socket); answer && *answer) {
        ensure((*answer)->kind >= GssAnswer::Kind::more && (*answer)->kind <= GssAnswer::Kind::failed);
      }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) std::abort();
  const Fd ours(ends[0]);
  const Fd theirs(ends[1]);
  const int passed[] = {theirs.get(), theirs.get()};
  const std::size_t count = data[1] % 3U;
  if (sendWithFds(ours.get(), {data + 2, size - 2}, {passed, count})) receiveAs(data[0], theirs.get());
  return 0;
}
