// SPDX-License-Identifier: BSD-2-Clause
// gateway/pid_file: one master at a time, and a file that goes with it.
#include "gateway/pid_file.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <memory>

namespace crossgate {
namespace {

class PidFileTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PidFileTest);
  CPPUNIT_TEST(namesItsHolder);
  CPPUNIT_TEST(refusesASecondHolder);
  CPPUNIT_TEST(whatACrashLeftIsInNobodysWay);
  CPPUNIT_TEST(isRemovedAtTheEnd);
  CPPUNIT_TEST(aSuccessorThatFailsLeavesIt);
  CPPUNIT_TEST(isHandedOnWithItsLock);
  CPPUNIT_TEST(anotherFileIsNotTheOneHanded);
  CPPUNIT_TEST(followsNoSymbolicLink);
  CPPUNIT_TEST_SUITE_END();

  std::string folder_, path_;

  std::unique_ptr<PidFile> acquire(Fd handed = {}) {
    auto acquired = PidFile::acquire(path_, std::move(handed));
    CPPUNIT_ASSERT_MESSAGE(acquired ? "" : acquired.error().detail, acquired.has_value());
    CPPUNIT_ASSERT(acquired->write().has_value());
    return std::make_unique<PidFile>(*std::move(acquired));
  }
  bool exists() const { return access(path_.c_str(), F_OK) == 0; }

 public:
  void setUp() override {
    char name[] = "/tmp/crossgate-pid-XXXXXX";
    CPPUNIT_ASSERT(mkdtemp(name) != nullptr);
    folder_ = name;
    path_ = folder_ + "/pid";
  }
  void tearDown() override {
    unlink(path_.c_str());
    unlink((folder_ + "/other").c_str());
    rmdir(folder_.c_str());
  }

  void namesItsHolder() {
    const auto before = umask(077);
    const auto file = acquire();
    umask(before);
    std::string text;
    std::getline(std::ifstream(path_), text);
    CPPUNIT_ASSERT_EQUAL(std::to_string(getpid()), text);
    struct stat status {};
    CPPUNIT_ASSERT(stat(path_.c_str(), &status) == 0);
    CPPUNIT_ASSERT_EQUAL(mode_t{0644}, status.st_mode & 0777);
    CPPUNIT_ASSERT(PidFile::holder(path_) == getpid());
  }
  void refusesASecondHolder() {
    const auto file = acquire();
    const auto second = PidFile::acquire(path_);
    CPPUNIT_ASSERT(!second.has_value());
    CPPUNIT_ASSERT_EQUAL(path_ + ": crossgate runs already, as process " + std::to_string(getpid()),
                         second.error().detail);
  }
  void whatACrashLeftIsInNobodysWay() {
    std::ofstream(path_) << "12345678\n";
    CPPUNIT_ASSERT(!PidFile::holder(path_).has_value());
    const auto file = acquire();
    CPPUNIT_ASSERT(PidFile::holder(path_) == getpid());
  }
  void isRemovedAtTheEnd() {
    acquire().reset();
    CPPUNIT_ASSERT(!exists());
    CPPUNIT_ASSERT(!PidFile::holder(path_).has_value());
  }
  void isHandedOnWithItsLock() {
    auto file = acquire();
    const pid_t successor = fork();
    if (successor == 0) {
      auto handed = PidFile::acquire(path_, Fd(dup(file->fd())));
      const bool written = handed && handed->write();
      usleep(200'000);
      // With its destructor it would be gone at once.
      _exit(written && PidFile::holder(path_) == getpid() ? 0 : 1);
    }
    while (PidFile::holder(path_) != successor) usleep(1000);
    file->handOver();
    file.reset();
    CPPUNIT_ASSERT_MESSAGE("the successor's file is not the predecessor's to remove", exists());
    CPPUNIT_ASSERT(PidFile::holder(path_) == successor);
    int status = 0;
    CPPUNIT_ASSERT(waitpid(successor, &status, 0) == successor && status == 0);
    CPPUNIT_ASSERT(!PidFile::holder(path_).has_value());
  }
  void aSuccessorThatFailsLeavesIt() {
    const auto file = acquire();
    (void)PidFile::acquire(path_, Fd(dup(file->fd())));
    CPPUNIT_ASSERT(exists());
    CPPUNIT_ASSERT(PidFile::holder(path_) == getpid());
  }
  void anotherFileIsNotTheOneHanded() {
    auto elsewhere = PidFile::acquire(folder_ + "/other");
    CPPUNIT_ASSERT(elsewhere.has_value());
    const auto file = acquire(Fd(dup(elsewhere->fd())));
    CPPUNIT_ASSERT(PidFile::holder(path_) == getpid());
  }
  void followsNoSymbolicLink() {
    CPPUNIT_ASSERT(symlink("/dev/null", path_.c_str()) == 0);
    CPPUNIT_ASSERT(!PidFile::acquire(path_).has_value());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PidFileTest);

}  // namespace
}  // namespace crossgate
