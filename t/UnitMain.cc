// SPDX-License-Identifier: BSD-2-Clause
// Runs every CppUnit suite that was linked in; `t/unit NAME...` runs only the named ones.
#include <cppunit/CompilerOutputter.h>
#include <cppunit/extensions/TestFactoryRegistry.h>
#include <cppunit/ui/text/TestRunner.h>

#include <iostream>

int main(int argc, char** argv) {
  CppUnit::TextUi::TestRunner runner;
  runner.addTest(CppUnit::TestFactoryRegistry::getRegistry().makeTest());
  runner.setOutputter(CppUnit::CompilerOutputter::defaultOutputter(&runner.result(), std::cerr));
  bool passed = true;
  if (argc < 2) passed = runner.run("", false, true, false);
  for (int i = 1; i < argc; ++i) passed = runner.run(argv[i], false, true, false) && passed;
  return passed ? 0 : 1;
}
