// SPDX-License-Identifier: BSD-2-Clause
#include "lib/result.h"

#include <cerrno>
#include <cstring>

namespace crossgate {

const char* toString(Failure failure) noexcept {
  switch (failure) {
    case Failure::general: return "failed";
    case Failure::malformed: return "malformed";
    case Failure::denied: return "denied";
    case Failure::networkUnreachable: return "network-unreachable";
    case Failure::hostUnreachable: return "host-unreachable";
    case Failure::noSuchName: return "no-such-name";
    case Failure::refused: return "refused";
    case Failure::timedOut: return "timed-out";
    case Failure::unsupportedCommand: return "unsupported-command";
    case Failure::unsupportedAddress: return "unsupported-address";
    case Failure::peerGone: return "peer-gone";
    case Failure::noCredentials: return "no-credentials";
    case Failure::exhausted: return "exhausted";
    case Failure::invalid: return "invalid";
  }
  return "failed";
}

Failure failureOfErrno(int error) noexcept {
  switch (error) {
    case ECONNREFUSED: return Failure::refused;
    case ENETUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT: return Failure::networkUnreachable;
    case EHOSTUNREACH:
    case EHOSTDOWN: return Failure::hostUnreachable;
    case ETIMEDOUT: return Failure::timedOut;
    case EACCES:
    case EPERM: return Failure::denied;
    case ECONNRESET:
    case EPIPE: return Failure::peerGone;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS: return Failure::exhausted;
    default: return Failure::general;
  }
}

Error systemError(const char* what, int error) {
  char text[128];
  return {failureOfErrno(error), std::string(what) + ": " + strerror_r(error, text, sizeof text)};
}

}  // namespace crossgate
