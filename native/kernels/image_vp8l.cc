// VP8L (RFC 9649, section 3), read as far as it tells how many prefix codes it has: the tables of a decoder for them
// can be far larger than its picture. The images of transforms, which lie before, are gone over without keeping a
// pixel.

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "image_reader.h"

namespace penstock {
namespace {

constexpr size_t kLongest = 15;
constexpr size_t kLiterals = 256;
constexpr size_t kCopies = kLiterals + 24;  // symbols from here on are places in the colour cache
constexpr size_t kDistances = 40;
constexpr uint32_t kMostCacheBits = 11;
constexpr size_t kMostSymbols = kCopies + (size_t{1} << kMostCacheBits);
// Groups are numbered in 16 bits.
constexpr size_t kMostGroups = 65'536;
// What the codes of a stream's transforms cost to set up, in bytes that are read.
constexpr size_t kCodesCost = 1'024;

// Numbers from the lowest bit on. Behind the end there are zeros.
class Bits {
 public:
  explicit Bits(ImageBytes bytes) : bytes_(bytes) {}

  // Of at most 24 bits.
  uint32_t Take(uint32_t count) {
    while (held_ < count) {
      const uint64_t byte = at_ < bytes_.length ? bytes_.data[at_] : 0;
      ended_ = ended_ || at_ >= bytes_.length;
      word_ |= byte << held_;
      held_ += 8;
      ++at_;
    }
    const auto value = static_cast<uint32_t>(word_ & ((uint64_t{1} << count) - 1));
    word_ >>= count;
    held_ -= count;
    return value;
  }

  // Bits.
  size_t taken() const { return 8 * at_ - held_; }
  // Whether more was taken than there was.
  bool ended() const { return ended_; }

 private:
  ImageBytes bytes_;
  size_t at_ = 0;
  uint64_t word_ = 0;
  uint32_t held_ = 0;
  bool ended_ = false;
};

// A canonical prefix code. One that has a single symbol takes no bits.
class Code {
 public:
  // By the length of every symbol, at most kLongest. Returns false where they make no complete code.
  bool Make(const uint8_t* lengths, size_t symbols) {
    std::fill_n(counts_, kLongest + 1, 0);
    for (size_t i = 0; i < symbols; ++i) ++counts_[lengths[i]];
    const size_t used = symbols - counts_[0];
    uint16_t next[kLongest + 2] = {};
    int32_t left = 1;
    for (size_t length = 1; length <= kLongest; ++length) {
      left = 2 * left - counts_[length];
      if (left < 0) return false;
      next[length + 1] = static_cast<uint16_t>(next[length] + counts_[length]);
    }
    for (size_t i = 0; i < symbols; ++i) {
      if (lengths[i] != 0) symbols_[next[lengths[i]]++] = static_cast<uint16_t>(i);
    }
    alone_ = used == 1;
    return alone_ || (used > 1 && left == 0);
  }

  uint32_t Read(Bits* bits) const {
    if (alone_) return symbols_[0];
    uint32_t code = 0;
    uint32_t first = 0;
    uint32_t index = 0;
    for (size_t length = 1; length <= kLongest; ++length) {
      code |= bits->Take(1);
      if (code < first + counts_[length]) return symbols_[index + code - first];
      index += counts_[length];
      first = (first + counts_[length]) << 1;
      code <<= 1;
    }
    return 0;
  }

 private:
  uint16_t counts_[kLongest + 1];
  uint16_t symbols_[kMostSymbols];
  bool alone_;
};

// The lengths of a code's symbols, coded themselves.
bool ReadLengths(Bits* bits, uint8_t* lengths, size_t symbols) {
  constexpr uint8_t kOrder[] = {17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  constexpr uint8_t kExtra[] = {2, 3, 7};
  constexpr uint8_t kLeast[] = {3, 3, 11};
  uint8_t own[std::size(kOrder)] = {};
  const size_t given = bits->Take(4) + 4;
  for (size_t i = 0; i < given; ++i) own[kOrder[i]] = static_cast<uint8_t>(bits->Take(3));
  Code code;
  if (!code.Make(own, std::size(own))) return false;
  size_t most = symbols;
  if (bits->Take(1) != 0) {
    const uint32_t width = 2 + 2 * bits->Take(3);
    most = 2 + bits->Take(width);
  }
  uint8_t last = 8;
  for (size_t at = 0; at < symbols && most > 0; --most) {
    const uint32_t length = code.Read(bits);
    if (length <= kLongest) {
      lengths[at++] = static_cast<uint8_t>(length);
      if (length != 0) last = static_cast<uint8_t>(length);
      continue;
    }
    const size_t times = kLeast[length - 16] + bits->Take(kExtra[length - 16]);
    if (times > symbols - at) return false;
    std::fill_n(lengths + at, times, length == 16 ? last : uint8_t{0});
    at += times;
  }
  return true;
}

bool ReadCode(Bits* bits, size_t symbols, Code* code) {
  uint8_t lengths[kMostSymbols] = {};
  if (bits->Take(1) == 0) return ReadLengths(bits, lengths, symbols) && code->Make(lengths, symbols);
  const bool two = bits->Take(1) != 0;
  const uint32_t width = bits->Take(1) != 0 ? 8 : 1;
  lengths[bits->Take(width)] = 1;
  if (two) lengths[bits->Take(8)] = 1;
  return code->Make(lengths, symbols);
}

// The number that a symbol for a length or a distance, and bits behind it, stand for.
size_t ReadNumber(Bits* bits, uint32_t symbol) {
  if (symbol < 4) return symbol + 1;
  const uint32_t extra = (symbol - 2) >> 1;
  return (size_t{2 + (symbol & 1)} << extra) + bits->Take(extra) + 1;
}

// An image of so many pixels, of which a copy may reach beyond the end.
bool SkipImage(Bits* bits, size_t pixels) {
  const uint32_t cache = bits->Take(1) != 0 ? bits->Take(4) : 0;
  if (cache > kMostCacheBits) return false;
  Code green, red, blue, alpha, distance;
  const bool whole = ReadCode(bits, kCopies + (cache == 0 ? 0 : size_t{1} << cache), &green) &&
                     ReadCode(bits, kLiterals, &red) && ReadCode(bits, kLiterals, &blue) &&
                     ReadCode(bits, kLiterals, &alpha) && ReadCode(bits, kDistances, &distance);
  if (!whole) return false;
  for (size_t done = 0; done < pixels && !bits->ended();) {
    const size_t before = bits->taken();
    const uint32_t symbol = green.Read(bits);
    if (symbol < kLiterals) {
      for (const Code* code : {&red, &blue, &alpha}) code->Read(bits);
      ++done;
    } else if (symbol < kCopies) {
      done += ReadNumber(bits, symbol - kLiterals);
      ReadNumber(bits, distance.Read(bits));
    } else {
      ++done;
    }
    // Where that took no bits, nothing else comes.
    if (bits->taken() == before) break;
  }
  return true;
}

// Squares of 2^bits pixels a side.
size_t Squares(uint32_t width, uint32_t height, uint32_t bits) {
  const uint32_t rest = (1U << bits) - 1;
  return static_cast<size_t>((width + rest) >> bits) * ((height + rest) >> bits);
}

enum Transform : uint32_t { kPredictor, kCrossColour, kSubtractGreen, kColourIndexing };

// The transform whose type has been read. Where several pixels become one the picture is `*width` wide behind it.
bool SkipTransform(Bits* bits, uint32_t type, uint32_t* width, uint32_t height) {
  if (type == kSubtractGreen) return true;
  if (type == kColourIndexing) {
    const uint32_t colours = bits->Take(8) + 1;
    const uint32_t together = colours > 16 ? 0 : colours > 4 ? 1 : colours > 2 ? 2 : 3;
    *width = (*width + (1U << together) - 1) >> together;
    return SkipImage(bits, colours);
  }
  const uint32_t size = bits->Take(3) + 2;
  return SkipImage(bits, Squares(*width, height, size));
}

// All of them, each type once at most.
bool SkipTransforms(Bits* bits, uint32_t* width, uint32_t height) {
  bool seen[4] = {};
  while (bits->Take(1) != 0) {
    const uint32_t type = bits->Take(2);
    if (seen[type] || !SkipTransform(bits, type, width, height)) return false;
    seen[type] = true;
  }
  return true;
}

}  // namespace

size_t MostGroups(ImageBytes stream, uint32_t width, uint32_t height, size_t* budget) {
  const size_t worst = std::min(kMostGroups, Squares(width, height, 2));
  Bits bits(stream.Part(0, std::min(stream.length, *budget)));
  const bool known = SkipTransforms(&bits, &width, height);
  *budget -= std::min(*budget, bits.taken() / 8 + kCodesCost);
  if (!known) return worst;
  if (bits.Take(1) != 0) bits.Take(4);
  const size_t groups = bits.Take(1) != 0 ? Squares(width, height, bits.Take(3) + 2) : 1;
  return bits.ended() ? worst : std::min(kMostGroups, groups);
}

}  // namespace penstock
