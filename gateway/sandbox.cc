// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/sandbox.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/filter.h>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <vector>

#include "lib/fd.h"

namespace crossgate {
namespace {

// Allowed whatever the arguments.
constexpr std::array plainCalls{
    // a relay
    "epoll_wait", "epoll_pwait", "epoll_ctl", "read", "write", "readv", "writev", "recvfrom", "sendto",
    "recvmsg", "sendmsg", "recvmmsg", "sendmmsg", "splice", "tee", "close", "shutdown", "pipe2",
    // sockets
    "accept4", "bind", "connect", "listen", "getsockname", "getpeername", "getsockopt", "setsockopt", "fcntl",
    "poll", "ppoll", "select", "pselect6", "epoll_create1", "eventfd2", "timerfd_create", "timerfd_settime",
    // time, memory, ourselves
    "clock_gettime", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "brk", "munmap", "mremap",
    "madvise", "futex", "getrandom", "getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "sysinfo",
    "uname", "sched_yield", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "tgkill",
    "exit", "exit_group", "membarrier", "rseq",
    // files that were opened for reading: the system's hosts, name servers, certificates
    "fstat", "newfstatat", "stat", "lstat", "statx", "lseek", "pread64", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getdents64", "getcwd", "close_range", "dup",
    // the log, when it was opened again
    "dup3"};

struct FilterDeleter {
  void operator()(scmp_filter_ctx filter) const noexcept { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, FilterDeleter>;

// The filter as the kernel takes it; empty: none.
std::vector<sock_filter>& program() {
  static std::vector<sock_filter> instructions;
  return instructions;
}

// A call that a newer or other kernel does not have is none to allow.
template <class... Conditions>
bool allow(const Filter& filter, const char* name, Conditions... conditions) {
  const int number = seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR) return true;
  const int result =
      seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, number, sizeof...(conditions), conditions...);
  return result == 0 || result == -EDOM;
}

bool allowSockets(const Filter& filter) {
  bool ok = true;
  for (const int family : {AF_INET, AF_INET6, AF_NETLINK}) {
    ok = ok && allow(filter, "socket", SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(family)));
  }
  // libc tries a Unix socket when it looks an interface up; no local service may be reached by one.
  ok = ok && seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                              SCMP_A0(SCMP_CMP_EQ, AF_UNIX)) == 0;
  return ok && allow(filter, "socketpair", SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
}

bool allowFiles(const Filter& filter) {
  constexpr scmp_datum_t writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY);
  return allow(filter, "openat", SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY)) &&
         allow(filter, "open", SCMP_A1(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
}

bool allowMemory(const Filter& filter) {
  return allow(filter, "mmap", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) &&
         allow(filter, "mprotect", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

bool allowControls(const Filter& filter) {
  bool ok = true;
  for (const unsigned long request :
       {static_cast<unsigned long>(FIONREAD), static_cast<unsigned long>(TIOCOUTQ),
        static_cast<unsigned long>(FIONBIO), static_cast<unsigned long>(TCGETS),
        static_cast<unsigned long>(SIOCGIFINDEX), static_cast<unsigned long>(SIOCGIFNAME)}) {
    ok = ok && allow(filter, "ioctl", SCMP_A1(SCMP_CMP_EQ, request));
  }
  // abort() gives SIGABRT its default back; SIGSYS is not for the worker to change.
  return ok && allow(filter, "rt_sigaction", SCMP_A0(SCMP_CMP_NE, SIGSYS));
}

Result<void> exportFilter(const Filter& filter) {
  const Fd file(memfd_create("filter", MFD_CLOEXEC));
  if (!file) return systemError("memfd_create", errno);
  if (const int error = seccomp_export_bpf(filter.get(), file.get()); error != 0) {
    return systemError("seccomp_export_bpf", -error);
  }
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return systemError("fstat", errno);
  std::vector<sock_filter> made(static_cast<std::size_t>(status.st_size) / sizeof(sock_filter));
  const std::size_t octets = made.size() * sizeof(sock_filter);
  if (pread(file.get(), made.data(), octets, 0) != static_cast<ssize_t>(octets))
    return systemError("pread", errno);
  program() = std::move(made);
  return {};
}

std::atomic<int>* noteHere = nullptr;

// SA_RESETHAND has given SIGSYS its default back: raised again, it kills.
void onViolation(int, siginfo_t* info, void*) {
  noteHere->store(info->si_syscall + 1);
  raise(SIGSYS);
}

}  // namespace

Result<void> prepareSandbox() {
#ifdef CROSSGATE_SANITIZED
  return Error{Failure::general, "a build with sanitizers has none"};
#else
  if (!program().empty()) return {};
  const unsigned action = SECCOMP_RET_TRAP;
  if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) return systemError("seccomp", errno);
  const Filter filter(seccomp_init(SCMP_ACT_TRAP));
  if (!filter) return Error{Failure::exhausted, "seccomp_init"};
  // A binary tree of the calls instead of a list.
  bool ok = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0;
  for (const char* name : plainCalls) ok = ok && allow(filter, name);
  ok = ok && allowSockets(filter) && allowFiles(filter) && allowMemory(filter) && allowControls(filter);
  if (!ok) return Error{Failure::general, "libseccomp took a rule amiss"};
  return exportFilter(filter);
#endif
}

bool hasSandbox() noexcept { return !program().empty(); }

Result<void> enterSandbox(std::atomic<int>& violation) {
  if (program().empty()) return {};
  noteHere = &violation;
  struct sigaction action {};
  action.sa_sigaction = &onViolation;
  action.sa_flags = static_cast<int>(SA_SIGINFO | SA_RESETHAND | SA_NODEFER);
  sigaction(SIGSYS, &action, nullptr);
  const sock_fprog filter{static_cast<unsigned short>(program().size()), program().data()};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) return systemError("seccomp", errno);
  return {};
}

std::string systemCallName(int number) {
  const std::unique_ptr<char, decltype(&std::free)> name(
      seccomp_syscall_resolve_num_arch(seccomp_arch_native(), number), &std::free);
  return name ? std::string(name.get()) : std::to_string(number);
}

}  // namespace crossgate
