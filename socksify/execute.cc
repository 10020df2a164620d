// SPDX-License-Identifier: BSD-2-Clause
// exec, posix_spawn and what runs a shell: a program that builds its child's environment anew (env -i,
// daemons, sshd-like wrappers) must not lose the Socks Lib on the way, or the child would go direct.  What
// is missing of our variables is added; a variable that is there stays as it is, except LD_PRELOAD without
// us.  A program that the Socks Lib can't be loaded into is refused (EPERM), unless `unprotected = run`.
//
// exec and posix_spawn run in children of vfork() too, in their parent's memory: only the stack is used, no lock is
// taken and nothing is allocated.
#include <alloca.h>
#include <spawn.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "socksify/cancellation.h"
#include "socksify/executable.h"
#include "socksify/process.h"
#include "socksify/real.h"
#include "socksify/socks_lib.h"

extern char** environ;

namespace crossgate::socksify {
namespace {

std::size_t countOf(char* const* list) noexcept {
  std::size_t count = 0;
  while (list != nullptr && list[count] != nullptr) ++count;
  return count;
}

// The place in `environment` of the variable that `assignment` sets, or its end.
std::size_t placeOf(char* const* environment, std::size_t count, const char* assignment) noexcept {
  const auto name = static_cast<std::size_t>(std::strchr(assignment, '=') - assignment) + 1;
  std::size_t place = 0;
  while (place < count && std::strncmp(environment[place], assignment, name) != 0) ++place;
  return place;
}

constexpr const char preloadName[] = "LD_PRELOAD=";
constexpr const char libraryName[] = "libsocksify.so";

// What LD_PRELOAD was when we were loaded; null if that was by other means (/etc/ld.so.preload).
const char* ownPreload() noexcept {
  for (const char* const* variable = ownVariables(); *variable != nullptr; ++variable) {
    if (std::strncmp(*variable, preloadName, sizeof preloadName - 1) == 0) return *variable;
  }
  return nullptr;
}

/// Measures first, then fills what the caller has on its stack.
class Environment {
 public:
  explicit Environment(char* const* given) noexcept : given_(given), count_(countOf(given)) {
    while (ownVariables()[own_] != nullptr) ++own_;
    if (preload_ == nullptr) return;  // nothing to keep
    place_ = placeOf(given_, count_, preload_);
    const bool there = place_ < count_ && std::strstr(given_[place_], libraryName) != nullptr;
    joinedOctets_ =
        there || place_ == count_ ? 0 : std::strlen(preload_) + 1 + std::strlen(given_[place_]) + 1;
  }

  std::size_t pointers() const noexcept { return count_ + own_ + 1; }
  std::size_t joinedOctets() const noexcept { return joinedOctets_ + 1; }

  char** fill(char** list, char* joined) const noexcept {
    std::size_t filled = count_;
    std::copy_n(given_, count_, list);
    for (std::size_t i = 0; preload_ != nullptr && i < own_; ++i) {
      const char* variable = ownVariables()[i];
      if (placeOf(given_, count_, variable) == count_) list[filled++] = const_cast<char*>(variable);
    }
    if (joinedOctets_ != 0) {
      std::strcpy(joined, preload_);
      std::strcat(joined, ":");
      std::strcat(joined, given_[place_] + sizeof preloadName - 1);
      list[place_] = joined;
    }
    list[filled] = nullptr;
    return list;
  }

 private:
  char* const* given_;
  std::size_t count_;
  std::size_t own_ = 0;
  const char* const preload_ = ownPreload();
  std::size_t place_ = 0;
  std::size_t joinedOctets_ = 0;
};

// A process that has changed its root folder may have left the Socks Lib behind, and the dynamic linker goes
// on without what it does not find.
bool libraryIsHere() noexcept {
  const char* const list = ownPreload();
  const char* const name = list == nullptr ? nullptr : std::strstr(list, libraryName);
  if (name == nullptr) return true;
  const char* begin = name;
  while (std::strchr("=: ", begin[-1]) == nullptr) --begin;
  char path[PATH_MAX];
  const char* const end = name + std::strcspn(name, ": ");
  std::snprintf(path, sizeof path, "%.*s", static_cast<int>(end - begin), begin);
  // Only the dynamic linker knows what a name without a folder, or $ORIGIN and its kin, lead to.
  return std::strchr(path, '/') == nullptr || std::strchr(path, '$') != nullptr || ::access(path, R_OK) == 0;
}

// True, with errno EPERM, when the program would go direct and must not be run.  The config is only
// read for one that would.
bool isRefused(const char* path) noexcept {
  const Uncancelled whole;
  const int before = errno;
  Program program;
  if (path != nullptr) inspect(path, program);
  if (program.obstacle == Obstacle::none && !libraryIsHere()) program.obstacle = Obstacle::lacksLibrary;
  errno = before;
  if (program.obstacle == Obstacle::none || SocksLib::get().config().unprotected == Unprotected::run)
    return false;
  warnOnce("%s is not run: it %s, so it can't be socksified (unprotected = run lets it go direct)",
           program.path, describe(program.obstacle));
  errno = EPERM;
  return true;
}

// The folder that the actions of posix_spawn change to, as findProgram() takes it.  It is kept behind what
// the C library uses of them, where its init function has left zeros.
void setFolder(posix_spawn_file_actions_t& actions, char* folder) noexcept {
  std::memcpy(reinterpret_cast<char*>(&actions + 1) - sizeof folder, &folder, sizeof folder);
}
char* folderOf(const posix_spawn_file_actions_t& actions) noexcept {
  char* folder = nullptr;
  std::memcpy(&folder, reinterpret_cast<const char*>(&actions + 1) - sizeof folder, sizeof folder);
  return folder;
}
const char* folderOf(const posix_spawn_file_actions_t* actions) noexcept {
  const char* const folder = actions == nullptr ? nullptr : folderOf(*actions);
  return folder == nullptr ? "" : folder;
}

int changeFolder(posix_spawn_file_actions_t& actions, const char* folder) noexcept {
  char* whole = nullptr;
  if (::asprintf(&whole, "%s%s/", *folder == '/' ? "" : folderOf(&actions), folder) < 0) return ENOMEM;
  std::free(folderOf(actions));
  setFolder(actions, whole);
  return 0;
}

// A program that is not there is not run either: the folder may be one that only the child opens, or there is
// no /proc.
bool isRefusedIn(const char* folder, const char* path) noexcept {
  if (path == nullptr || *path == '/' || *folder == '\0') return isRefused(path);
  char whole[PATH_MAX];
  std::snprintf(whole, sizeof whole, "%s%s", folder, path);
  if (::access(whole, F_OK) == 0 || SocksLib::get().config().unprotected == Unprotected::run)
    return isRefused(whole);
  tell("%s is not run: nothing is there", whole);
  return true;
}

bool isRefusedBySearch(const char* file, const char* folder = "") noexcept {
  char path[PATH_MAX];
  if (file == nullptr || std::strchr(file, '/') != nullptr) return isRefusedIn(folder, file);
  return findProgram(file, ::getenv("PATH"), path, folder) && isRefused(path);
}

// The C library's system() and its kin run a shell with the environment as it is, without our exec.
void restoreVariables() noexcept {
  for (const char* const* variable = ownVariables(); *variable != nullptr; ++variable) {
    const std::size_t count = countOf(environ);
    if (placeOf(environ, count, *variable) == count) ::putenv(const_cast<char*>(*variable));
  }
  const char* const preload = ownPreload();
  const char* const present = ::getenv("LD_PRELOAD");
  if (preload == nullptr || present == nullptr || std::strstr(present, libraryName) != nullptr) return;
  char* joined = nullptr;
  if (::asprintf(&joined, "%s:%s", preload + sizeof preloadName - 1, present) < 0) return;
  ::setenv("LD_PRELOAD", joined, 1);
  std::free(joined);
}

bool isShellRefused() noexcept {
  restoreVariables();
  return isRefused("/bin/sh");
}

}  // namespace
}  // namespace crossgate::socksify

using namespace crossgate::socksify;

// The room has to be on the stack of the function that calls exec.
#define WITH_OUR_VARIABLES(given)                                                         \
  const Environment environment(given);                                                   \
  auto* const list = static_cast<char**>(alloca(environment.pointers() * sizeof(char*))); \
  auto* const joined = static_cast<char*>(alloca(environment.joinedOctets()));            \
  char** const complete = environment.fill(list, joined)

// The arguments of execl() and its kin, up to the null pointer, in `arguments`.
#define COLLECT_ARGUMENTS(first)                                                     \
  std::size_t count = 1;                                                             \
  va_list counting;                                                                  \
  va_start(counting, first);                                                         \
  while (va_arg(counting, char*) != nullptr) ++count;                                \
  va_end(counting);                                                                  \
  auto** const arguments = static_cast<char**>(alloca((count + 1) * sizeof(char*))); \
  arguments[0] = const_cast<char*>(first);                                           \
  va_list taking;                                                                    \
  va_start(taking, first);                                                           \
  for (std::size_t i = 1; i <= count; ++i) arguments[i] = va_arg(taking, char*)

extern "C" {

int execve(const char* path, char* const* arguments, char* const* given) noexcept {
  if (isRefused(path)) return -1;
  WITH_OUR_VARIABLES(given);
  return real().execve(path, arguments, complete);
}

int execvpe(const char* file, char* const* arguments, char* const* given) noexcept {
  if (isRefusedBySearch(file)) return -1;
  WITH_OUR_VARIABLES(given);
  return real().execvpe(file, arguments, complete);
}

int fexecve(int fd, char* const* arguments, char* const* given) noexcept {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  if (isRefusedIn(path, "")) return -1;
  WITH_OUR_VARIABLES(given);
  return real().fexecve(fd, arguments, complete);
}

int execveat(int folder, const char* path, char* const* arguments, char* const* given, int flags) noexcept {
  char start[64] = "";
  if (folder != AT_FDCWD)
    std::snprintf(start, sizeof start, "/proc/self/fd/%d%s", folder, *path == '\0' ? "" : "/");
  if (isRefusedIn(start, path)) return -1;
  WITH_OUR_VARIABLES(given);
  return real().execveat(folder, path, arguments, complete, flags);
}

int execv(const char* path, char* const* arguments) noexcept { return execve(path, arguments, environ); }
int execvp(const char* file, char* const* arguments) noexcept { return execvpe(file, arguments, environ); }

int execl(const char* path, const char* first, ...) noexcept {
  COLLECT_ARGUMENTS(first);
  va_end(taking);
  return execve(path, arguments, environ);
}

int execlp(const char* file, const char* first, ...) noexcept {
  COLLECT_ARGUMENTS(first);
  va_end(taking);
  return execvpe(file, arguments, environ);
}

int execle(const char* path, const char* first, ...) noexcept {
  COLLECT_ARGUMENTS(first);
  char** const given = va_arg(taking, char**);
  va_end(taking);
  return execve(path, arguments, given);
}

int posix_spawn(pid_t* child, const char* path, const posix_spawn_file_actions_t* actions,
                const posix_spawnattr_t* attributes, char* const* arguments, char* const* given) noexcept {
  if (isRefusedIn(folderOf(actions), path)) return errno;
  WITH_OUR_VARIABLES(given);
  return real().posix_spawn(child, path, actions, attributes, arguments, complete);
}

int posix_spawnp(pid_t* child, const char* file, const posix_spawn_file_actions_t* actions,
                 const posix_spawnattr_t* attributes, char* const* arguments, char* const* given) noexcept {
  if (isRefusedBySearch(file, folderOf(actions))) return errno;
  WITH_OUR_VARIABLES(given);
  return real().posix_spawnp(child, file, actions, attributes, arguments, complete);
}

int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t* actions, const char* folder) noexcept {
  const int error = real().posix_spawn_file_actions_addchdir_np(actions, folder);
  return error != 0 ? error : changeFolder(*actions, folder);
}

int posix_spawn_file_actions_addfchdir_np(posix_spawn_file_actions_t* actions, int fd) noexcept {
  char folder[64];
  std::snprintf(folder, sizeof folder, "/proc/self/fd/%d", fd);
  const int error = real().posix_spawn_file_actions_addfchdir_np(actions, fd);
  return error != 0 ? error : changeFolder(*actions, folder);
}

int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t* actions) noexcept {
  std::free(folderOf(*actions));
  setFolder(*actions, nullptr);
  return real().posix_spawn_file_actions_destroy(actions);
}

int system(const char* command) {
  if (isShellRefused()) return command == nullptr ? 0 : -1;
  return real().system(command);
}

FILE* popen(const char* command, const char* mode) {
  if (isShellRefused()) return nullptr;
  return real().popen(command, mode);
}

int wordexp(const char* words, wordexp_t* result, int flags) {
  const bool hasCommand = std::strpbrk(words, "(`") != nullptr;
  return real().wordexp(words, result, hasCommand && isShellRefused() ? flags | WRDE_NOCMD : flags);
}

}  // extern "C"
