// What the fuzz targets share. A property that does not hold ends the process: libFuzzer and the replay both see it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

// The one entry point of every target, named by libFuzzer.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace penstock::fuzz {

[[noreturn]] inline void Broken(const char* what, const char* file, int line) {
  std::fprintf(stderr, "BROKEN %s:%d %s\n", file, line, what);
  std::abort();
}

// Memory of exactly the size asked for, from the heap: a sanitizer sees one byte too many.
class Exact {
 public:
  explicit Exact(size_t size) : bytes_(new uint8_t[size]), size_(size) {
    if (size > 0) std::memset(bytes_.get(), 0xA5, size);
  }
  Exact(const uint8_t* data, size_t size) : Exact(size) {
    if (size > 0) std::memcpy(bytes_.get(), data, size);
  }

  uint8_t* data() { return bytes_.get(); }
  const uint8_t* data() const { return bytes_.get(); }
  const uint8_t* end() const { return bytes_.get() + size_; }
  size_t size() const { return size_; }
  bool Holds(const uint8_t* data, size_t size) const {
    return size == size_ && (size == 0 || std::memcmp(bytes_.get(), data, size) == 0);
  }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  size_t size_;
};

// Takes the fuzzer's bytes from the front; zeros once they are used up.
class Feed {
 public:
  Feed(const uint8_t* data, size_t size) : data_(data), left_(size) {}

  bool empty() const { return left_ == 0; }
  size_t left() const { return left_; }
  const uint8_t* rest() const { return data_; }
  uint8_t Byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

}  // namespace penstock::fuzz

#define REQUIRE(condition)                                                      \
  do {                                                                          \
    if (!(condition)) ::penstock::fuzz::Broken(#condition, __FILE__, __LINE__); \
  } while (false)
