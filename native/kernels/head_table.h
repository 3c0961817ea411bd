// Request heads seen before: bytes to plan id. Bounded in entries and in bytes; hashed with a random seed, so that a
// client cannot plan collisions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace penstock {

inline constexpr size_t kMaxHeadBytes = 16 * 1024;

class HeadTable {
 public:
  HeadTable(size_t capacity, uint64_t seed);

  // The plan remembered for exactly these bytes, or -1.
  int32_t Match(const uint8_t* bytes, size_t length);

  // Remembers `plan`. Returns the plan that made room or was replaced, -1 where none was, `plan` where it was not kept.
  int32_t Remember(const uint8_t* bytes, size_t length, int32_t plan);

 private:
  struct Entry {
    uint64_t hash = 0;
    int32_t plan = -1;
    bool used = false;  // since the clock hand last passed
    std::vector<uint8_t> bytes;
  };

  uint64_t Hash(const uint8_t* bytes, size_t length) const;
  Entry* Find(uint64_t hash, const uint8_t* bytes, size_t length);
  void Link(size_t entry);
  void Unlink(size_t entry);
  size_t Victim();

  uint64_t seed_;
  size_t mask_;
  size_t hand_ = 0;
  size_t size_ = 0;
  std::vector<Entry> entries_;
  std::vector<int32_t> slots_;  // open addressing: index of an entry, or -1
};

}  // namespace penstock
