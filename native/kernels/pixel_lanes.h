// The inner loops over pixels, in a plain version and in one for each vector unit. All versions give the same bytes;
// the tests compare them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "resample_axis.h"

namespace penstock {

// Element i of a row is multiplied by scale[i % 24] and shifted by shift[i % 24]: one channel over and over, or three
// in turn. 24 is three vectors of eight.
constexpr size_t kAffinePeriod = 24;
struct Affine {
  float scale[kAffinePeriod];
  float shift[kAffinePeriod];
};

// Memory of a row, and where what may be read behind it ends.
struct Span {
  const uint8_t* data;
  const uint8_t* end;
};

struct PixelLanes {
  // `count` RGB pixels into one plane per channel.
  void (*split)(const uint8_t* pixels, size_t count, uint8_t* red, uint8_t* green, uint8_t* blue);
  // Bytes to elements, by Element: `count` of them, not pixels. `target` needs no alignment.
  void (*affine[3])(const uint8_t* source, size_t count, const Affine& affine, uint8_t* target);
  // The same for `count` RGB pixels into one plane per channel: red, green, blue, each with its own numbers.
  void (*planes[3])(const uint8_t* pixels, size_t count, const Affine* const* affine, uint8_t* const* targets);
  // Outputs [from, to) of the axis, side by side in `target`. `row` begins with source pixel `origin`. By channels:
  // 1, 3.
  void (*across[2])(const FixedAxis& axis, int32_t from, int32_t to, int32_t origin, Span row, uint8_t* target);
  // The weighted sum of rows of `count` bytes: output `at` of the axis, `rows` in the order of its taps, one pointer
  // more than it has taps where they are odd.
  void (*down)(const FixedAxis& axis, int32_t at, const uint8_t* const* rows, size_t count, uint8_t* target);
  // `count` pixels of four bytes without their last.
  void (*drop_alpha)(const uint8_t* pixels, size_t count, uint8_t* target);
  // `count` pixels to their luma. By bytes of a pixel: 3, 4.
  void (*gray[2])(const uint8_t* pixels, size_t count, uint8_t* target);
};

// ITU-R 601 luma as Pillow's convert('L') weighs it, of 2^16.
constexpr int32_t kRedWeight = 19595;
constexpr int32_t kGreenWeight = 38470;
constexpr int32_t kBlueWeight = 7471;

// For every processor.
const PixelLanes& PlainLanes();
// For AVX2 and F16C; nullptr where the processor, or the compiler's target, has none.
const PixelLanes* Avx2Lanes();
// The fastest of them here.
const PixelLanes& BestLanes();

// An accumulated sum, with half of a unit already in it, back to a byte.
inline uint8_t ClampFixed(int32_t sum) {
  const int32_t value = sum >> kWeightBits;
  return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

// To the nearest whole number, ties to even, in 0..255. Adding 1.5 * 2^23 leaves no bit behind the point.
inline uint8_t RoundToByte(float value) {
  const float within = value < 0.0F ? 0.0F : value > 255.0F ? 255.0F : value;
  return static_cast<uint8_t>(static_cast<int32_t>((within + 12582912.0F) - 12582912.0F));
}

}  // namespace penstock
