// SPDX-License-Identifier: BSD-2-Clause
#include "gateway/program.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace crossgate {
namespace {

namespace fs = std::filesystem;

// As a shell would look for it.
std::string findInPath(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path candidate = fs::path(folder) / name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate.string();
  }
  std::error_code unknown;
  return fs::read_symlink("/proc/self/exe", unknown).string();
}

}  // namespace

Program Program::ofThisProcess(int argc, char** argv) {
  Program program;
  std::error_code unknown;
  program.folder_ = fs::current_path(unknown).string();
  program.arguments_.assign(argv, argv + argc);
  const std::string name = argc > 0 ? argv[0] : "";
  program.path_ = fs::absolute(name.find('/') == name.npos ? findInPath(name) : name, unknown).string();
  return program;
}

void Program::execute() const noexcept {
  (void)!chdir(folder_.c_str());  // without it relative names of files will say so
  std::vector<char*> arguments;
  for (const std::string& each : arguments_) arguments.push_back(const_cast<char*>(each.c_str()));
  arguments.push_back(nullptr);
  execv(path_.c_str(), arguments.data());
}

}  // namespace crossgate
