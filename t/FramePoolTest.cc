// SPDX-License-Identifier: BSD-2-Clause
// gateway/frame_pool, gateway/heap_gaps, gateway/file_pages and gateway/masters_memory: where memory comes from.
#include "gateway/frame_pool.h"

#include <cppunit/extensions/HelperMacros.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "gateway/file_pages.h"
#include "gateway/heap_gaps.h"
#include "gateway/masters_memory.h"
#include "gateway/process.h"

namespace crossgate {
namespace {

#ifdef CROSSGATE_SANITIZED
constexpr bool pooled = false;
#else
constexpr bool pooled = true;
#endif

class FramePoolTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(FramePoolTest);
  CPPUNIT_TEST(aBlockServesTheNextOfItsSize);
  CPPUNIT_TEST(everySizeIsWhole);
  CPPUNIT_TEST(whatIsAllocatedBehindFilledGapsStandsTogether);
  CPPUNIT_TEST(pagesOfFilesAreGivenBackAndComeAgain);
  CPPUNIT_TEST(noChildHasTheMastersMemory);
  CPPUNIT_TEST_SUITE_END();

  // kB of the mappings whose line of /proc/self/smaps fits.
  static unsigned long resident(bool (*fits)(const std::string& line)) {
    std::ifstream smaps("/proc/self/smaps");
    unsigned long sum = 0;
    bool counts = false;
    for (std::string line; std::getline(smaps, line);) {
      std::istringstream words(line);
      std::string first, second;
      words >> first >> second;
      if (first.back() != ':') counts = fits(line);
      if (first == "Rss:" && counts) sum += std::stoul(second);
    }
    return sum;
  }
  static bool isCode(const std::string& line) { return line.find(" r-xp ") != std::string::npos; }
  static bool isHeaderOfAnUnusedLibrary(const std::string& line) {
    return line.find(" r--p 00000000 ") != std::string::npos && line.find("/libgcc_s.so") != std::string::npos;
  }

 public:
  void aBlockServesTheNextOfItsSize() {
    void* first = FramePool::take(300);
    FramePool::giveBack(first, 300);
    void* other = FramePool::take(1000);
    void* again = FramePool::take(304);
    CPPUNIT_ASSERT(other != first);
    if (pooled) CPPUNIT_ASSERT(again == first);
    FramePool::giveBack(other, 1000);
    FramePool::giveBack(again, 304);
  }

  // Also of more blocks than are kept, and of larger ones.
  void everySizeIsWhole() {
    constexpr std::size_t largest = 5000;
    std::vector<std::pair<void*, std::size_t>> blocks;
    for (int round = 0; round < 3; ++round) {
      for (std::size_t size = 1; size < largest; size += 7) {
        blocks.emplace_back(FramePool::take(size), size);
        std::memset(blocks.back().first, static_cast<int>(size % 251), size);
      }
      for (const auto& [block, size] : blocks) {
        const auto* octets = static_cast<const unsigned char*>(block);
        CPPUNIT_ASSERT(std::all_of(octets, octets + size, [s = size](unsigned char c) { return c == s % 251; }));
      }
      for (const auto& [block, size] : blocks) FramePool::giveBack(block, size);
      blocks.clear();
    }
  }

  void whatIsAllocatedBehindFilledGapsStandsTogether() {
    // A heap with holes of many sizes.
    std::vector<std::unique_ptr<std::string>> kept;
    for (std::size_t i = 0; i < 2000; ++i) kept.push_back(std::make_unique<std::string>(i % 700 + 20, 'x'));
    for (std::size_t i = 0; i < kept.size(); i += 2) kept[i].reset();

    HeapGaps gaps;
    gaps.fill();
    std::vector<std::unique_ptr<std::string>> added(20);
    for (auto& text : added) text = std::make_unique<std::string>(100, 'y');
    const auto byAddress = [](const auto& a, const auto& b) { return a->data() < b->data(); };
    const auto [low, high] = std::minmax_element(added.begin(), added.end(), byAddress);
    constexpr std::ptrdiff_t together = 8192;
    if (pooled) CPPUNIT_ASSERT((*high)->data() - (*low)->data() < together);
    gaps.open();
    gaps.fill();
  }

  void pagesOfFilesAreGivenBackAndComeAgain() {
    const unsigned long before = resident(isCode);
    CPPUNIT_ASSERT(resident(isHeaderOfAnUnusedLibrary) > 0);
    releaseFilePages();
    CPPUNIT_ASSERT_EQUAL(0UL, resident(isHeaderOfAnUnusedLibrary));
    const unsigned long after = resident(isCode);
    CPPUNIT_ASSERT_MESSAGE(std::to_string(before) + " kB before, " + std::to_string(after) + " after",
                           after > 0 && after < before * 3 / 4);
    everySizeIsWhole();
  }

  void noChildHasTheMastersMemory() {
    std::pmr::vector<int> numbers(&mastersMemory());
    std::vector<int> others;
    for (int i = 0; i < 100'000; ++i) numbers.push_back(i), others.push_back(i);
    CPPUNIT_ASSERT(std::equal(numbers.begin(), numbers.end(), others.begin(), others.end()));
    CPPUNIT_ASSERT_EQUAL(0, endOfAChildThatReads(others.back()));
    CPPUNIT_ASSERT_EQUAL(SIGSEGV, endOfAChildThatReads(numbers.back()));
  }

  // The signal that ended it.
  static int endOfAChildThatReads(const int& number) {
    const pid_t child = forkLean();
    if (child == 0) {
      signal(SIGSEGV, SIG_DFL);
      const rlimit none{0, 0};
      setrlimit(RLIMIT_CORE, &none);
      _exit(const_cast<const volatile int&>(number) == 0 ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FramePoolTest);

}  // namespace
}  // namespace crossgate
