// The fuzzer's bytes as halves, bfloats and float32s, in memory of the exact size: narrowing undoes widening, takes the
// nearest value, and is monotone; NaN stays NaN.

#include "../../kernels/half_float.h"

#include <cmath>

#include "fuzz.h"

namespace penstock::fuzz {
namespace {

using Convert = void (*)(const uint8_t*, uint8_t*, size_t);

// One of the two 16-bit forms.
struct Form {
  Convert widen;
  Convert narrow;
  uint16_t infinity;
};

constexpr uint16_t kSign = 0x8000;

float WidenOne(const Form& form, uint16_t bits) {
  float wide;
  form.widen(reinterpret_cast<const uint8_t*>(&bits), reinterpret_cast<uint8_t*>(&wide), 1);
  return wide;
}

uint16_t NarrowOne(const Form& form, float wide) {
  uint16_t bits;
  form.narrow(reinterpret_cast<const uint8_t*>(&wide), reinterpret_cast<uint8_t*>(&bits), 1);
  return bits;
}

// The distance in double, which holds every difference of two floats here. Infinity counts as the next power of two, as
// rounding does.
double Distance(const Form& form, uint16_t bits, float wide) {
  const uint16_t magnitude = bits & 0x7FFF;
  double value = WidenOne(form, magnitude);
  if (magnitude == form.infinity) {
    const double largest = WidenOne(form, static_cast<uint16_t>(form.infinity - 1));
    value = 2 * largest - WidenOne(form, static_cast<uint16_t>(form.infinity - 2));
  }
  return std::fabs(value - std::fabs(static_cast<double>(wide)));
}

void CheckNearest(const Form& form, float wide) {
  const uint16_t bits = NarrowOne(form, wide);
  if (std::isnan(wide)) {
    REQUIRE(std::isnan(WidenOne(form, bits)));
    return;
  }
  const uint16_t magnitude = bits & 0x7FFF;
  REQUIRE(magnitude <= form.infinity && ((bits & kSign) != 0) == std::signbit(wide));
  if (std::isinf(wide)) {
    REQUIRE(magnitude == form.infinity);
    return;
  }
  const double distance = Distance(form, magnitude, wide);
  for (const int step : {-1, 1}) {
    const int other = magnitude + step;
    if (other < 0 || other > form.infinity) continue;
    const double there = Distance(form, static_cast<uint16_t>(other), wide);
    // A tie goes to the even one.
    REQUIRE(distance < there || (distance == there && (magnitude & 1) == 0));
  }
}

void CheckFloats(const Form& form, const uint8_t* data, size_t size) {
  const size_t count = size / 4;
  const Exact source(data, count * 4);
  Exact narrow(count * 2);
  form.narrow(source.data(), narrow.data(), count);
  float before = 0;
  for (size_t i = 0; i < count; ++i) {
    float wide;
    uint16_t bits;
    std::memcpy(&wide, source.data() + 4 * i, 4);
    std::memcpy(&bits, narrow.data() + 2 * i, 2);
    REQUIRE(bits == NarrowOne(form, wide));
    CheckNearest(form, wide);
    if (i > 0 && wide <= before) REQUIRE(WidenOne(form, bits) <= WidenOne(form, NarrowOne(form, before)));
    if (i > 0 && wide >= before) REQUIRE(WidenOne(form, bits) >= WidenOne(form, NarrowOne(form, before)));
    before = wide;
  }
}

void CheckHalves(const Form& form, const uint8_t* data, size_t size) {
  const size_t count = size / 2;
  const Exact source(data, count * 2);
  Exact wide(count * 4);
  Exact back(count * 2);
  form.widen(source.data(), wide.data(), count);
  form.narrow(wide.data(), back.data(), count);
  for (size_t i = 0; i < count; ++i) {
    uint16_t bits;
    uint16_t returned;
    std::memcpy(&bits, source.data() + 2 * i, 2);
    std::memcpy(&returned, back.data() + 2 * i, 2);
    const bool nan = (bits & 0x7FFF) > form.infinity;
    REQUIRE(nan ? (returned & 0x7FFF) > form.infinity && ((returned ^ bits) & kSign) == 0 : returned == bits);
  }
}

}  // namespace
}  // namespace penstock::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;
  for (const fuzz::Form& form :
       {fuzz::Form{Fp16ToFp32, Fp32ToFp16, 0x7C00}, fuzz::Form{Bf16ToFp32, Fp32ToBf16, 0x7F80}}) {
    fuzz::CheckFloats(form, data, size);
    fuzz::CheckHalves(form, data, size);
  }
  return 0;
}
