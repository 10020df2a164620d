// SPDX-License-Identifier: BSD-2-Clause
// socksify/executable: which programs can't be socksified, from files that hold just enough of ELF.
#include "socksify/executable.h"

#include <cppunit/extensions/HelperMacros.h>
#include <elf.h>
#include <link.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace crossgate::socksify {
namespace {

template <class T>
std::string octetsOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string note(std::string name, std::size_t length) {
  const ElfW(Nhdr) head{static_cast<ElfW(Word)>(name.size()), static_cast<ElfW(Word)>(length), 1};
  name.resize((name.size() + 3) / 4 * 4);
  return octetsOf(head) + name + std::string((length + 3) / 4 * 4, 'x');
}

class ExecutableTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ExecutableTest);
  CPPUNIT_TEST(anOrdinaryProgramHasNoObstacle);
  CPPUNIT_TEST(oneWithoutAnInterpreterIsStatic);
  CPPUNIT_TEST(goIsKnownByItsNoteWhereverItStands);
  CPPUNIT_TEST(goIsKnownByItsTableOfFunctions);
  CPPUNIT_TEST(aBrokenFileIsNoGoProgram);
  CPPUNIT_TEST(aScriptIsWhatItsInterpreterIs);
  CPPUNIT_TEST(whatCanBeRunAndNotReadIsAnObstacle);
  CPPUNIT_TEST(setuidIsKnownWithoutReading);
  CPPUNIT_TEST(rightsThatAreNotTheUsersOwnAreAnObstacle);
  CPPUNIT_TEST_SUITE_END();

  std::string path_;

  // A program of this machine's with two segments, then notes, then the names of its sections.
  static std::string elf(bool interpreted, const std::string& notes, const std::string& sections) {
    std::ifstream self("/proc/self/exe", std::ios::binary);
    ElfW(Ehdr) header{};
    self.read(reinterpret_cast<char*>(&header), sizeof header);
    header.e_phoff = sizeof header;
    header.e_phnum = 2;
    header.e_phentsize = sizeof(ElfW(Phdr));
    header.e_shoff = header.e_phoff + 2 * sizeof(ElfW(Phdr));
    header.e_shnum = 1;
    header.e_shstrndx = 0;
    header.e_shentsize = sizeof(ElfW(Shdr));
    ElfW(Phdr) first{};
    first.p_type = interpreted ? PT_INTERP : PT_NULL;
    ElfW(Phdr) second{};
    second.p_type = PT_NOTE;
    second.p_offset = header.e_shoff + sizeof(ElfW(Shdr));
    second.p_filesz = notes.size();
    ElfW(Shdr) names{};
    names.sh_offset = second.p_offset + notes.size();
    names.sh_size = sections.size();
    return octetsOf(header) + octetsOf(first) + octetsOf(second) + octetsOf(names) + notes + sections;
  }

  Obstacle obstacleOf(const std::string& octets) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << octets;
    Program program;
    inspect(path_.c_str(), program);
    return program.obstacle;
  }

  static constexpr uid_t nobody = 65534;

  // What a child without privileges finds, where the test has any.  With `effective`, that is its effective
  // user and group.
  static Obstacle obstacleForNobody(const std::string& path, uid_t effective = nobody) {
    const pid_t child = ::fork();
    CPPUNIT_ASSERT(child >= 0);
    if (child == 0) {
      if (::getuid() == 0 &&
          (::setresgid(nobody, effective, effective) != 0 || ::setresuid(nobody, effective, effective) != 0))
        ::_exit(99);
      Program program;
      inspect(path.c_str(), program);
      ::_exit(static_cast<int>(program.obstacle));
    }
    int status = -1;
    CPPUNIT_ASSERT_EQUAL(child, ::waitpid(child, &status, 0));
    CPPUNIT_ASSERT(WIFEXITED(status));
    return static_cast<Obstacle>(WEXITSTATUS(status));
  }

 public:
  void setUp() override {
    char path[] = "/tmp/executable-test-XXXXXX";
    const int fd = ::mkstemp(path);
    CPPUNIT_ASSERT(fd >= 0);
    ::close(fd);
    path_ = path;
  }
  void tearDown() override { ::unlink(path_.c_str()); }

  void anOrdinaryProgramHasNoObstacle() {
    const std::string notes = note(std::string("GNU\0", 4), 20) + note(std::string("Gone\0", 5), 3);
    CPPUNIT_ASSERT(obstacleOf(elf(true, notes, ".text .shstrtab")) == Obstacle::none);
  }
  void oneWithoutAnInterpreterIsStatic() {
    CPPUNIT_ASSERT(obstacleOf(elf(false, "", ".text")) == Obstacle::isStatic);
  }
  void goIsKnownByItsNoteWhereverItStands() {
    const std::string gnu = note(std::string("GNU\0", 4), 18), go = note(std::string("Go\0\0", 4), 83);
    CPPUNIT_ASSERT(obstacleOf(elf(true, go + gnu, "")) == Obstacle::go);
    CPPUNIT_ASSERT(obstacleOf(elf(true, gnu + go, "")) == Obstacle::go);
    CPPUNIT_ASSERT(obstacleOf(elf(false, gnu + gnu + go, "")) == Obstacle::go);
  }
  void goIsKnownByItsTableOfFunctions() {
    CPPUNIT_ASSERT(obstacleOf(elf(true, "", std::string(".text\0.gopclntab\0.bss", 22))) == Obstacle::go);
  }
  void aBrokenFileIsNoGoProgram() {
    const std::string whole = elf(true, note(std::string("GNU\0", 4), 20), ".shstrtab");
    for (std::size_t length = sizeof(ElfW(Ehdr)); length < whole.size(); ++length) {
      CPPUNIT_ASSERT(obstacleOf(whole.substr(0, length)) != Obstacle::go);
    }
    std::string endless = note(std::string("GNU\0", 4), 20);
    std::memset(endless.data(), 0xff, 8);  // the lengths
    CPPUNIT_ASSERT(obstacleOf(elf(true, endless, "")) == Obstacle::none);
  }
  void aScriptIsWhatItsInterpreterIs() {
    const std::string program = path_ + ".interpreter";
    std::ofstream(program, std::ios::binary) << elf(false, "", "");
    CPPUNIT_ASSERT(obstacleOf("#! " + program + " -x\n") == Obstacle::isStatic);
    ::unlink(program.c_str());
  }
  void whatCanBeRunAndNotReadIsAnObstacle() {
    CPPUNIT_ASSERT(obstacleOf(elf(true, "", "")) == Obstacle::none);
    ::chmod(path_.c_str(), 0111);
    CPPUNIT_ASSERT(obstacleForNobody(path_) == Obstacle::unreadable);
    ::chmod(path_.c_str(), 0);
    CPPUNIT_ASSERT(obstacleForNobody(path_) == Obstacle::none);  // exec says why not
  }
  void setuidIsKnownWithoutReading() {
    if (::getuid() != 0) return;
    ::chmod(path_.c_str(), 04111);
    CPPUNIT_ASSERT(obstacleForNobody(path_) == Obstacle::gainsRights);
    ::chmod(path_.c_str(), 02111);
    CPPUNIT_ASSERT(obstacleForNobody(path_) == Obstacle::gainsRights);
  }
  void rightsThatAreNotTheUsersOwnAreAnObstacle() {
    if (::getuid() != 0) return;
    CPPUNIT_ASSERT(obstacleOf(elf(true, "", "")) == Obstacle::none);
    ::chmod(path_.c_str(), 0755);
    CPPUNIT_ASSERT(obstacleForNobody(path_) == Obstacle::none);
    CPPUNIT_ASSERT(obstacleForNobody(path_, nobody - 1) == Obstacle::gainsRights);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExecutableTest);

}  // namespace
}  // namespace crossgate::socksify
