// SPDX-License-Identifier: BSD-2-Clause
// Runs every CppUnit suite that was linked in; `t/unit NAME...` runs only the named ones, such as
// `t/unit PatternTest`.
#include <cppunit/CompilerOutputter.h>
#include <cppunit/extensions/TestFactoryRegistry.h>
#include <cppunit/ui/text/TestRunner.h>

#include <iostream>
#include <string>

namespace {

// Suites bear the names of their types, namespaces included.
bool isNamed(const CppUnit::Test& suite, const std::string& name) {
  return suite.getName() == name || suite.getName().ends_with("::" + name);
}

}  // namespace

int main(int argc, char** argv) {
  CppUnit::TextUi::TestRunner runner;
  CppUnit::Test* all = CppUnit::TestFactoryRegistry::getRegistry().makeTest();
  runner.addTest(all);
  runner.setOutputter(CppUnit::CompilerOutputter::defaultOutputter(&runner.result(), std::cerr));
  bool passed = true;
  if (argc < 2) passed = runner.run("", false, true, false);
  for (int i = 1; i < argc; ++i) {
    bool found = false;
    for (int suite = 0; suite < all->getChildTestCount(); ++suite) {
      if (!isNamed(*all->getChildTestAt(suite), argv[i])) continue;
      found = true;
      passed = runner.run(all->getChildTestAt(suite)->getName(), false, true, false) && passed;
    }
    if (!found) std::cerr << "no suite is called " << argv[i] << '\n';
    passed = passed && found;
  }
  return passed ? 0 : 1;
}
