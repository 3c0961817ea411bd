// A plain main for a fuzz target: runs every file of the folders given, and every beginning of each, through it. What
// was found once is tried everywhere, without a fuzzer. Ends with "N passed, 0 failed", or with the target's own death.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz.h"

namespace {

// Files up to this size are tried at every length, larger ones as they are: the time is quadratic.
constexpr size_t kMostForPrefixes = 512;

std::vector<std::filesystem::path> FilesOf(const char* folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

void Run(const std::string& bytes, size_t length) {
  const penstock::fuzz::Exact input(reinterpret_cast<const uint8_t*>(bytes.data()), length);
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int count, char** folders) {
  int passed = 0;
  for (int i = 1; i < count; ++i) {
    for (const auto& path : FilesOf(folders[i])) {
      std::ifstream file(path, std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(file), {}};
      // Said before it is run: where the target dies, this is the last line.
      std::printf("%s\n", path.c_str());
      std::fflush(stdout);
      for (size_t length = bytes.size() <= kMostForPrefixes ? 0 : bytes.size(); length <= bytes.size(); ++length) {
        Run(bytes, length);
      }
      ++passed;
    }
  }
  std::printf("%d passed, 0 failed\n", passed);
  return passed > 0 ? 0 : 1;
}
