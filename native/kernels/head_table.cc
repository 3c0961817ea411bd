#include "head_table.h"

#include <bit>
#include <cstring>

namespace penstock {
namespace {

inline uint64_t Mix(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t Load(const uint8_t* p, size_t bytes) {
  uint64_t word = 0;
  std::memcpy(&word, p, bytes);
  return word;
}

}  // namespace

HeadTable::HeadTable(size_t capacity, uint64_t seed)
    : seed_(seed),
      mask_(std::bit_ceil(capacity * 2 + 2) - 1),
      entries_(capacity == 0 ? 1 : capacity),
      slots_(mask_ + 1, -1) {}

int32_t HeadTable::Match(const uint8_t* bytes, size_t length) {
  if (length > kMaxHeadBytes) return -1;
  Entry* entry = Find(Hash(bytes, length), bytes, length);
  if (entry == nullptr) return -1;
  entry->used = true;
  return entry->plan;
}

int32_t HeadTable::Remember(const uint8_t* bytes, size_t length, int32_t plan) {
  if (length > kMaxHeadBytes) return plan;
  const uint64_t hash = Hash(bytes, length);
  if (Entry* known = Find(hash, bytes, length)) {
    const int32_t before = known->plan;
    known->plan = plan;
    return before;
  }
  int32_t evicted = -1;
  size_t place = size_;
  if (size_ == entries_.size()) {
    place = Victim();
    evicted = entries_[place].plan;
    Unlink(place);
  } else {
    ++size_;
  }
  Entry& entry = entries_[place];
  entry.hash = hash;
  entry.plan = plan;
  entry.used = false;
  // A new block, not the old one: it would stay as long as the longest head that ever stood here.
  entry.bytes = std::vector<uint8_t>(bytes, bytes + length);
  Link(place);
  return evicted;
}

uint64_t HeadTable::Hash(const uint8_t* bytes, size_t length) const {
  uint64_t hash = seed_ ^ length;
  size_t at = 0;
  for (; at + 16 <= length; at += 16) {
    hash = Mix(Load(bytes + at, 8) ^ hash, Load(bytes + at + 8, 8) ^ 0x9E3779B97F4A7C15);
  }
  if (at + 8 <= length) {
    hash = Mix(Load(bytes + at, 8) ^ hash, 0xD6E8FEB86659FD93);
    at += 8;
  }
  return Mix(hash ^ Load(bytes + at, length - at), seed_ | 1);
}

HeadTable::Entry* HeadTable::Find(uint64_t hash, const uint8_t* bytes, size_t length) {
  for (size_t slot = hash & mask_; slots_[slot] >= 0; slot = (slot + 1) & mask_) {
    Entry& entry = entries_[static_cast<size_t>(slots_[slot])];
    if (entry.hash == hash && entry.bytes.size() == length && std::memcmp(entry.bytes.data(), bytes, length) == 0) {
      return &entry;
    }
  }
  return nullptr;
}

void HeadTable::Link(size_t entry) {
  size_t slot = entries_[entry].hash & mask_;
  while (slots_[slot] >= 0) slot = (slot + 1) & mask_;
  slots_[slot] = static_cast<int32_t>(entry);
}

// Removal by shifting back: no tombstones, so that look-ups stay short for ever.
void HeadTable::Unlink(size_t entry) {
  size_t hole = entries_[entry].hash & mask_;
  while (slots_[hole] != static_cast<int32_t>(entry)) hole = (hole + 1) & mask_;
  slots_[hole] = -1;
  for (size_t slot = (hole + 1) & mask_; slots_[slot] >= 0; slot = (slot + 1) & mask_) {
    const size_t home = entries_[static_cast<size_t>(slots_[slot])].hash & mask_;
    if (((slot - home) & mask_) < ((slot - hole) & mask_)) continue;
    slots_[hole] = slots_[slot];
    slots_[slot] = -1;
    hole = slot;
  }
}

// Clock sweep: the first entry not matched since the hand last came by.
size_t HeadTable::Victim() {
  for (;;) {
    Entry& entry = entries_[hand_];
    const size_t candidate = hand_;
    hand_ = (hand_ + 1) % entries_.size();
    if (!entry.used) return candidate;
    entry.used = false;
  }
}

}  // namespace penstock
