// Just enough of a test runner for plain executables.
#pragma once

#include <cstdio>

namespace penstock::test {

struct Counts {
  int passed = 0;
  int failed = 0;
};

inline Counts& Totals() {
  static Counts counts;
  return counts;
}

inline void Check(bool ok, const char* what, const char* file, int line) {
  if (ok) {
    ++Totals().passed;
    return;
  }
  ++Totals().failed;
  std::printf("FAILED %s:%d %s\n", file, line, what);
}

}  // namespace penstock::test

#define CHECK(condition) ::penstock::test::Check((condition), #condition, __FILE__, __LINE__)
