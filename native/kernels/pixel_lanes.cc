#include "pixel_lanes.h"

#include <algorithm>
#include <cstring>

#include "half_float.h"

namespace penstock {
namespace {

void Split(const uint8_t* pixels, size_t count, uint8_t* red, uint8_t* green, uint8_t* blue) {
  for (size_t i = 0; i < count; ++i) {
    red[i] = pixels[3 * i];
    green[i] = pixels[3 * i + 1];
    blue[i] = pixels[3 * i + 2];
  }
}

// A period at a time: `write` gets the values of one, their number and the index of the first.
template <typename Write>
inline void EachPeriod(const uint8_t* source, size_t count, const Affine& affine, Write write) {
  float values[kAffinePeriod];
  size_t i = 0;
  for (; i + kAffinePeriod <= count; i += kAffinePeriod) {
    for (size_t j = 0; j < kAffinePeriod; ++j) {
      values[j] = static_cast<float>(source[i + j]) * affine.scale[j] + affine.shift[j];
    }
    write(values, kAffinePeriod, i);
  }
  for (size_t j = 0; i + j < count; ++j) {
    values[j] = static_cast<float>(source[i + j]) * affine.scale[j] + affine.shift[j];
  }
  if (i < count) write(values, count - i, i);
}

void AffineFp32(const uint8_t* source, size_t count, const Affine& affine, uint8_t* target) {
  EachPeriod(source, count, affine,
             [target](const float* values, size_t some, size_t at) { std::memcpy(target + 4 * at, values, 4 * some); });
}

void AffineFp16(const uint8_t* source, size_t count, const Affine& affine, uint8_t* target) {
  EachPeriod(source, count, affine, [target](const float* values, size_t some, size_t at) {
    Fp32ToFp16(reinterpret_cast<const uint8_t*>(values), target + 2 * at, some);
  });
}

void AffineUint8(const uint8_t* source, size_t count, const Affine& affine, uint8_t* target) {
  EachPeriod(source, count, affine, [target](const float* values, size_t some, size_t at) {
    for (size_t j = 0; j < some; ++j) target[at + j] = RoundToByte(values[j]);
  });
}

// Some pixels at a time, which stay in the first cache.
template <void (*kAffine)(const uint8_t*, size_t, const Affine&, uint8_t*), size_t kSize>
void Planes(const uint8_t* pixels, size_t count, const Affine* const* affine, uint8_t* const* targets) {
  constexpr size_t kSome = 40 * kAffinePeriod;
  uint8_t channels[3][kSome];
  for (size_t start = 0; start < count; start += kSome) {
    const size_t some = std::min(kSome, count - start);
    Split(pixels + 3 * start, some, channels[0], channels[1], channels[2]);
    for (size_t c = 0; c < 3; ++c) kAffine(channels[c], some, *affine[c], targets[c] + start * kSize);
  }
}

template <int kChannels>
void Across(const FixedAxis& axis, int32_t from, int32_t to, int32_t origin, Span row, uint8_t* target) {
  for (int32_t i = from; i < to; ++i) {
    const auto at = static_cast<size_t>(i);
    const int32_t* weights = axis.weights.data() + at * static_cast<size_t>(axis.stride);
    const uint8_t* pixel = row.data + static_cast<ptrdiff_t>(axis.first[at] - origin) * kChannels;
    int32_t sums[kChannels];
    std::fill_n(sums, kChannels, 1 << (kWeightBits - 1));
    for (int32_t t = 0; t < axis.count[at]; ++t, pixel += kChannels) {
      for (int c = 0; c < kChannels; ++c) sums[c] += pixel[c] * weights[t];
    }
    for (int c = 0; c < kChannels; ++c) *target++ = ClampFixed(sums[c]);
  }
}

void Down(const FixedAxis& axis, int32_t at, const uint8_t* const* rows, size_t count, uint8_t* target) {
  const int32_t* weights = axis.weights.data() + static_cast<size_t>(at) * static_cast<size_t>(axis.stride);
  const int32_t taps = axis.count[static_cast<size_t>(at)];
  // As many sums as stay in the first cache with their rows.
  constexpr size_t kSome = 256;
  int32_t sums[kSome];
  for (size_t start = 0; start < count; start += kSome) {
    const size_t some = std::min(kSome, count - start);
    std::fill_n(sums, some, 1 << (kWeightBits - 1));
    for (int32_t t = 0; t < taps; ++t) {
      const uint8_t* row = rows[t] + start;
      const int32_t weight = weights[t];
      for (size_t i = 0; i < some; ++i) sums[i] += row[i] * weight;
    }
    for (size_t i = 0; i < some; ++i) target[start + i] = ClampFixed(sums[i]);
  }
}

void DropAlpha(const uint8_t* pixels, size_t count, uint8_t* target) {
  for (size_t i = 0; i < count; ++i) {
    for (size_t c = 0; c < 3; ++c) target[3 * i + c] = pixels[4 * i + c];
  }
}

template <int kStride>
void Gray(const uint8_t* pixels, size_t count, uint8_t* target) {
  for (size_t i = 0; i < count; ++i, pixels += kStride) {
    const int32_t sum = pixels[0] * kRedWeight + pixels[1] * kGreenWeight + pixels[2] * kBlueWeight;
    target[i] = static_cast<uint8_t>((sum + 0x8000) >> 16);
  }
}

}  // namespace

const PixelLanes& PlainLanes() {
  static constexpr PixelLanes kLanes = {Split,
                                        {AffineFp32, AffineFp16, AffineUint8},
                                        {Planes<AffineFp32, 4>, Planes<AffineFp16, 2>, Planes<AffineUint8, 1>},
                                        {Across<1>, Across<3>},
                                        Down,
                                        DropAlpha,
                                        {Gray<3>, Gray<4>}};
  return kLanes;
}

const PixelLanes& BestLanes() {
  static const PixelLanes& lanes = Avx2Lanes() != nullptr ? *Avx2Lanes() : PlainLanes();
  return lanes;
}

}  // namespace penstock
