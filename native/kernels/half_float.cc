#include "half_float.h"

#include <bit>
#include <cstring>

namespace penstock {
namespace {

template <typename From, typename To, typename Convert>
void Each(const uint8_t* source, uint8_t* target, size_t count, Convert convert) {
  for (size_t i = 0; i < count; ++i) {
    From from;
    std::memcpy(&from, source + i * sizeof(From), sizeof(From));
    const To to = convert(from);
    std::memcpy(target + i * sizeof(To), &to, sizeof(To));
  }
}

uint32_t WidenHalf(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 0x1F;
  const uint32_t fraction = half & 0x3FF;
  if (exponent == 0x1F) return sign | 0x7F800000 | (fraction << 13);
  if (exponent != 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  // Zero and subnormals: fraction * 2^-24 is exact in float32.
  return sign | std::bit_cast<uint32_t>(static_cast<float>(fraction) * 0x1p-24F);
}

uint16_t NarrowHalf(uint32_t bits) {
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return static_cast<uint16_t>(sign | 0x7E00 | ((magnitude >> 13) & 0x1FF));
  if (magnitude >= 0x47800000) return static_cast<uint16_t>(sign | 0x7C00);  // 65536 and more
  if (magnitude < 0x38800000) {
    // Below 2^-14 the half is subnormal: adding 0.5 lets the float unit round at 2^-24 (ulp of 0.5 is 2^-24).
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3F000000));
  }
  const uint32_t rounded = magnitude + 0xFFF + ((magnitude >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000) >> 13));
}

uint16_t NarrowBfloat(uint32_t bits) {
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>((bits >> 16) | 0x0040);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

}  // namespace

void Fp16ToFp32(const uint8_t* source, uint8_t* target, size_t count) {
  Each<uint16_t, uint32_t>(source, target, count, WidenHalf);
}

void Fp32ToFp16(const uint8_t* source, uint8_t* target, size_t count) {
  Each<uint32_t, uint16_t>(source, target, count, NarrowHalf);
}

void Bf16ToFp32(const uint8_t* source, uint8_t* target, size_t count) {
  Each<uint16_t, uint32_t>(source, target, count, [](uint16_t bits) { return static_cast<uint32_t>(bits) << 16; });
}

void Fp32ToBf16(const uint8_t* source, uint8_t* target, size_t count) {
  Each<uint32_t, uint16_t>(source, target, count, NarrowBfloat);
}

}  // namespace penstock
