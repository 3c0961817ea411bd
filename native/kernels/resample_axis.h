// Which source pixels one side of the window is made of, and with which weights. Pure numbers, computed in the order of
// operations of the libraries they agree with.
#pragma once

#include <cstdint>
#include <vector>

#include "image_spec.h"

namespace penstock {

// One side of the resampling: `source` pixels become `resized`, of which [start, start + length) are wanted.
struct Side {
  int32_t source;
  int32_t resized;
  int32_t start;
  int32_t length;
};

// Fraction bits of a fixed-point weight, and of its lower half.
constexpr int kWeightBits = 22;
constexpr int kLowBits = 12;

// Pillow's weights (Resample.c): output i is the sum of `count[i]` pixels from `first[i]` on.
struct FixedAxis {
  std::vector<int32_t> first;
  std::vector<int32_t> count;
  // Taps kept per output: a multiple of 8, zero behind `count`.
  int32_t stride = 0;
  std::vector<int32_t> weights;
  // weight = high * 2^kLowBits + low, for units that multiply 16 bits.
  std::vector<int16_t> high;
  std::vector<int16_t> low;
};

// Antialiased: the filter is as wide as the scale. Not for nearest.
FixedAxis MakeFixedAxis(const Side& side, Filter filter);

// torch's weights (align_corners false, no antialias): output i is the sum over t of pixel `index[i * taps + t]`, which
// is clamped to the image, times `weight[i * taps + t]`.
struct PlainAxis {
  int32_t taps = 0;
  std::vector<int32_t> index;
  std::vector<float> weight;
};

// Bilinear (2 taps) or bicubic (4 taps, a = -0.75).
PlainAxis MakePlainAxis(const Side& side, Filter filter);

// Pillow's nearest pixel of every output.
std::vector<int32_t> MakeNearestAxis(const Side& side);

}  // namespace penstock
