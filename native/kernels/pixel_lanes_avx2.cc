#include "pixel_lanes.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include <cstring>

// For functions that run only where the processor has these units.
#define AVX2_CODE __attribute__((target("avx2,f16c")))

namespace penstock {
namespace {

// Picks the bytes of one channel of 16 RGB pixels out of their three vectors; 0x80 gives zero.
alignas(16) constexpr uint8_t kPick[3][3][16] = {
    {{0, 3, 6, 9, 12, 15, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128},
     {128, 128, 128, 128, 128, 128, 2, 5, 8, 11, 14, 128, 128, 128, 128, 128},
     {128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 1, 4, 7, 10, 13}},
    {{1, 4, 7, 10, 13, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128},
     {128, 128, 128, 128, 128, 0, 3, 6, 9, 12, 15, 128, 128, 128, 128, 128},
     {128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 2, 5, 8, 11, 14}},
    {{2, 5, 8, 11, 14, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128},
     {128, 128, 128, 128, 128, 1, 4, 7, 10, 13, 128, 128, 128, 128, 128, 128},
     {128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 0, 3, 6, 9, 12, 15}},
};

AVX2_CODE inline __m128i Load(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }

AVX2_CODE void Split(const uint8_t* pixels, size_t count, uint8_t* red, uint8_t* green, uint8_t* blue) {
  uint8_t* planes[3] = {red, green, blue};
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m128i a = Load(pixels + 3 * i);
    const __m128i b = Load(pixels + 3 * i + 16);
    const __m128i c = Load(pixels + 3 * i + 32);
    for (int k = 0; k < 3; ++k) {
      const __m128i front =
          _mm_or_si128(_mm_shuffle_epi8(a, Load(kPick[k][0])), _mm_shuffle_epi8(b, Load(kPick[k][1])));
      const __m128i plane = _mm_or_si128(front, _mm_shuffle_epi8(c, Load(kPick[k][2])));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(planes[k] + i), plane);
    }
  }
  PlainLanes().split(pixels + 3 * i, count - i, red + i, green + i, blue + i);
}

// Four pixels a step; what a store leaves behind them the next one overwrites.
AVX2_CODE void DropAlpha(const uint8_t* pixels, size_t count, uint8_t* target) {
  const __m128i kept = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  size_t i = 0;
  // 16 bytes are stored for 12: two pixels more must follow.
  for (; i + 6 <= count; i += 4) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + 3 * i), _mm_shuffle_epi8(Load(pixels + 4 * i), kept));
  }
  PlainLanes().drop_alpha(pixels + 4 * i, count - i, target + 3 * i);
}

// Four pixels a step: red beside blue and green beside itself, whose weight, halved, has 16 bits.
template <int kStride>
AVX2_CODE void Gray(const uint8_t* pixels, size_t count, uint8_t* target) {
  constexpr char k = kStride;
  const __m128i red_blue =
      _mm_setr_epi8(0, -1, 2, -1, k, -1, k + 2, -1, 2 * k, -1, 2 * k + 2, -1, 3 * k, -1, 3 * k + 2, -1);
  const __m128i green = _mm_setr_epi8(1, -1, 1, -1, k + 1, -1, k + 1, -1,  //
                                      2 * k + 1, -1, 2 * k + 1, -1, 3 * k + 1, -1, 3 * k + 1, -1);
  const __m128i red_blue_weights = _mm_set1_epi32((kBlueWeight << 16) | kRedWeight);
  const __m128i green_weights = _mm_set1_epi16(kGreenWeight / 2);
  const __m128i half = _mm_set1_epi32(0x8000);
  size_t i = 0;
  for (; kStride * i + 16 <= kStride * count; i += 4) {
    const __m128i bytes = Load(pixels + kStride * i);
    const __m128i most = _mm_madd_epi16(_mm_shuffle_epi8(bytes, red_blue), red_blue_weights);
    const __m128i rest = _mm_madd_epi16(_mm_shuffle_epi8(bytes, green), green_weights);
    const __m128i sums = _mm_srli_epi32(_mm_add_epi32(_mm_add_epi32(most, rest), half), 16);
    const __m128i words = _mm_packs_epi32(sums, sums);
    const int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    std::memcpy(target + i, &four, sizeof(four));
  }
  PlainLanes().gray[kStride == 4](pixels + kStride * i, count - i, target + i);
}

// Eight bytes as floats, times and plus. Not fused: every processor gives the same bits.
AVX2_CODE inline __m256 EightOf(const uint8_t* source, __m256 scale, __m256 shift) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(source));
  const __m256 values = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
  return _mm256_add_ps(_mm256_mul_ps(values, scale), shift);
}

AVX2_CODE inline void Store(__m256 values, uint8_t* target, float) {
  _mm256_storeu_ps(reinterpret_cast<float*>(target), values);
}

AVX2_CODE inline void Store(__m256 values, uint8_t* target, uint16_t) {
  const __m128i halves = _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(target), halves);
}

AVX2_CODE inline void Store(__m256 values, uint8_t* target, uint8_t) {
  const __m256 within = _mm256_min_ps(_mm256_max_ps(values, _mm256_setzero_ps()), _mm256_set1_ps(255.0F));
  const __m256i whole = _mm256_cvtps_epi32(within);
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(target), _mm_packus_epi16(words, words));
}

template <typename T>
AVX2_CODE void AffineLanes(const uint8_t* source, size_t count, const Affine& affine, uint8_t* target) {
  const __m256 scale0 = _mm256_loadu_ps(affine.scale);
  const __m256 scale1 = _mm256_loadu_ps(affine.scale + 8);
  const __m256 scale2 = _mm256_loadu_ps(affine.scale + 16);
  const __m256 shift0 = _mm256_loadu_ps(affine.shift);
  const __m256 shift1 = _mm256_loadu_ps(affine.shift + 8);
  const __m256 shift2 = _mm256_loadu_ps(affine.shift + 16);
  size_t i = 0;
  for (; i + kAffinePeriod <= count; i += kAffinePeriod) {
    uint8_t* to = target + i * sizeof(T);
    Store(EightOf(source + i, scale0, shift0), to, T());
    Store(EightOf(source + i + 8, scale1, shift1), to + 8 * sizeof(T), T());
    Store(EightOf(source + i + 16, scale2, shift2), to + 16 * sizeof(T), T());
  }
  size_t phase = 0;
  for (; i + 8 <= count; i += 8, phase += 8) {
    const __m256 scale = _mm256_loadu_ps(affine.scale + phase);
    Store(EightOf(source + i, scale, _mm256_loadu_ps(affine.shift + phase)), target + i * sizeof(T), T());
  }
  if (i == count) return;
  // The rest goes through memory of its own.
  uint8_t from[8] = {};
  uint8_t to[8 * sizeof(T)];
  std::memcpy(from, source + i, count - i);
  Store(EightOf(from, _mm256_loadu_ps(affine.scale + phase), _mm256_loadu_ps(affine.shift + phase)), to, T());
  std::memcpy(target + i * sizeof(T), to, (count - i) * sizeof(T));
}

// One channel of eight pixels: one shuffle both takes it out and widens it.
AVX2_CODE inline __m256 ChannelOf(const uint8_t* pixels, __m256i pick, __m256 scale, __m256 shift) {
  const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(Load(pixels)), Load(pixels + 8), 1);
  const __m256 values = _mm256_cvtepi32_ps(_mm256_shuffle_epi8(bytes, pick));
  return _mm256_add_ps(_mm256_mul_ps(values, scale), shift);
}

template <typename T, Element kElement>
AVX2_CODE void Planes(const uint8_t* pixels, size_t count, const Affine* const* affine, uint8_t* const* targets) {
  if (count < 8) return PlainLanes().planes[static_cast<size_t>(kElement)](pixels, count, affine, targets);
  const __m256i next = _mm256_set1_epi32(1);
  // Red of four pixels from byte 0 on, and of four that begin at byte 12 of 24, which is byte 4 of the second half.
  __m256i pick = _mm256_setr_epi8(0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1,  //
                                  4, -1, -1, -1, 7, -1, -1, -1, 10, -1, -1, -1, 13, -1, -1, -1);
  // Plane after plane: stores that follow each other in memory are faster than reading the pixels once.
  for (int c = 0; c < 3; ++c, pick = _mm256_add_epi32(pick, next)) {
    const __m256 scale = _mm256_set1_ps(affine[c]->scale[0]);
    const __m256 shift = _mm256_set1_ps(affine[c]->shift[0]);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
      Store(ChannelOf(pixels + 3 * i, pick, scale, shift), targets[c] + i * sizeof(T), T());
    }
    // The last step goes back over pixels that are done.
    i = count - 8;
    Store(ChannelOf(pixels + 3 * i, pick, scale, shift), targets[c] + i * sizeof(T), T());
  }
}

// The two halves of the weights' sums, put together and brought back to bytes in the lowest four.
AVX2_CODE inline uint32_t FourBytes(__m128i high, __m128i low) {
  const __m128i half = _mm_set1_epi32(1 << (kWeightBits - 1));
  const __m128i sum = _mm_add_epi32(_mm_add_epi32(_mm_slli_epi32(high, kLowBits), low), half);
  const __m128i words = _mm_packs_epi32(_mm_srai_epi32(sum, kWeightBits), _mm_setzero_si128());
  return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_packus_epi16(words, words)));
}

// Four weights, over and over.
AVX2_CODE inline __m256i FourOf(const int16_t* weights) {
  int64_t four;
  std::memcpy(&four, weights, sizeof(four));
  return _mm256_set1_epi64x(four);
}

// Four RGB pixels a step: each channel's four as 16 bits beside their weights, multiplied and added in pairs by madd.
AVX2_CODE void AcrossRgb(const FixedAxis& axis, int32_t from, int32_t to, int32_t origin, Span row, uint8_t* target) {
  const __m256i fours = _mm256_setr_epi8(0, -1, 3, -1, 6, -1, 9, -1, 1, -1, 4, -1, 7, -1, 10, -1,  //
                                         2, -1, 5, -1, 8, -1, 11, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  for (int32_t i = from; i < to; ++i, target += 3) {
    const auto at = static_cast<size_t>(i);
    const uint8_t* pixel = row.data + static_cast<ptrdiff_t>(axis.first[at] - origin) * 3;
    const int32_t steps = (axis.count[at] + 3) / 4;
    // The last load reaches 16 bytes on from its first pixel.
    if (row.end - pixel < 12 * (steps - 1) + 16) {
      PlainLanes().across[1](axis, i, i + 1, origin, row, target);
      continue;
    }
    const int16_t* high = axis.high.data() + at * static_cast<size_t>(axis.stride);
    const int16_t* low = axis.low.data() + at * static_cast<size_t>(axis.stride);
    __m256i high_sums = _mm256_setzero_si256();
    __m256i low_sums = _mm256_setzero_si256();
    for (int32_t step = 0; step < steps; ++step, pixel += 12, high += 4, low += 4) {
      const __m256i words = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(Load(pixel)), fours);
      high_sums = _mm256_add_epi32(high_sums, _mm256_madd_epi16(words, FourOf(high)));
      low_sums = _mm256_add_epi32(low_sums, _mm256_madd_epi16(words, FourOf(low)));
    }
    // Red and green of both halves, then blue of both.
    const __m256i sums = _mm256_hadd_epi32(high_sums, low_sums);
    const __m128i front = _mm256_castsi256_si128(sums);
    const __m128i back = _mm256_extracti128_si256(sums, 1);
    const uint32_t bytes = FourBytes(_mm_unpacklo_epi64(front, back), _mm_unpackhi_epi64(front, back));
    std::memcpy(target, &bytes, 3);
  }
}

// Eight gray pixels a step.
AVX2_CODE void AcrossGray(const FixedAxis& axis, int32_t from, int32_t to, int32_t origin, Span row, uint8_t* target) {
  for (int32_t i = from; i < to; ++i, ++target) {
    const auto at = static_cast<size_t>(i);
    const uint8_t* pixel = row.data + (axis.first[at] - origin);
    const int32_t steps = (axis.count[at] + 7) / 8;
    if (row.end - pixel < 8 * steps) {
      PlainLanes().across[0](axis, i, i + 1, origin, row, target);
      continue;
    }
    const int16_t* high = axis.high.data() + at * static_cast<size_t>(axis.stride);
    const int16_t* low = axis.low.data() + at * static_cast<size_t>(axis.stride);
    __m128i high_sums = _mm_setzero_si128();
    __m128i low_sums = _mm_setzero_si128();
    for (int32_t step = 0; step < steps; ++step, pixel += 8, high += 8, low += 8) {
      const __m128i words = _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(pixel)));
      high_sums = _mm_add_epi32(high_sums, _mm_madd_epi16(words, Load(high)));
      low_sums = _mm_add_epi32(low_sums, _mm_madd_epi16(words, Load(low)));
    }
    // Four partial sums to one.
    __m128i both = _mm_hadd_epi32(high_sums, low_sums);
    both = _mm_hadd_epi32(both, both);
    *target = static_cast<uint8_t>(FourBytes(both, _mm_shuffle_epi32(both, 1)));
  }
}

// The sums of eight columns, by halves of the weights.
struct EightSums {
  __m256i high;
  __m256i low;
};

AVX2_CODE inline void AddPair(EightSums* sums, __m128i bytes, __m256i high, __m256i low) {
  const __m256i words = _mm256_cvtepu8_epi16(bytes);
  sums->high = _mm256_add_epi32(sums->high, _mm256_madd_epi16(words, high));
  sums->low = _mm256_add_epi32(sums->low, _mm256_madd_epi16(words, low));
}

AVX2_CODE inline __m256i Whole(const EightSums& sums) {
  const __m256i half = _mm256_set1_epi32(1 << (kWeightBits - 1));
  const __m256i sum = _mm256_add_epi32(_mm256_add_epi32(_mm256_slli_epi32(sums.high, kLowBits), sums.low), half);
  return _mm256_srai_epi32(sum, kWeightBits);
}

// Two neighbouring weights, over and over.
AVX2_CODE inline __m256i PairOf(const int16_t* weights) {
  int32_t pair;
  std::memcpy(&pair, weights, sizeof(pair));
  return _mm256_set1_epi32(pair);
}

// Sixteen columns of two rows a step.
AVX2_CODE void Down(const FixedAxis& axis, int32_t at, const uint8_t* const* rows, size_t count, uint8_t* target) {
  const size_t place = static_cast<size_t>(at) * static_cast<size_t>(axis.stride);
  const int16_t* high = axis.high.data() + place;
  const int16_t* low = axis.low.data() + place;
  const int32_t taps = axis.count[static_cast<size_t>(at)];
  const __m256i zero = _mm256_setzero_si256();
  // The last step goes back over columns that are done, where there are enough.
  if (count < 16) return PlainLanes().down(axis, at, rows, count, target);
  for (size_t next = 0; next < count; next += 16) {
    const size_t i = next + 16 <= count ? next : count - 16;
    EightSums left = {zero, zero};
    EightSums right = {zero, zero};
    for (int32_t t = 0; t < taps; t += 2) {
      const __m256i high_pair = PairOf(high + t);
      const __m256i low_pair = PairOf(low + t);
      const __m128i one = Load(rows[t] + i);
      const __m128i two = Load(rows[t + 1] + i);
      AddPair(&left, _mm_unpacklo_epi8(one, two), high_pair, low_pair);
      AddPair(&right, _mm_unpackhi_epi8(one, two), high_pair, low_pair);
    }
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(Whole(left), Whole(right)), 0xD8);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + i), bytes);
  }
}

// Asked of the processor itself: older compilers do not know this unit by name.
bool HasF16c() {
  unsigned int a = 0;
  unsigned int b = 0;
  unsigned int c = 0;
  unsigned int d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

}  // namespace

const PixelLanes* Avx2Lanes() {
  static constexpr PixelLanes kLanes = {
      Split,
      {AffineLanes<float>, AffineLanes<uint16_t>, AffineLanes<uint8_t>},
      {Planes<float, Element::kFp32>, Planes<uint16_t, Element::kFp16>, Planes<uint8_t, Element::kUint8>},
      {AcrossGray, AcrossRgb},
      Down,
      DropAlpha,
      {Gray<3>, Gray<4>}};
  static const bool there = __builtin_cpu_supports("avx2") && HasF16c();
  return there ? &kLanes : nullptr;
}

}  // namespace penstock

#else

namespace penstock {

const PixelLanes* Avx2Lanes() { return nullptr; }

}  // namespace penstock

#endif
