// The fuzzer's bytes as the text of a number, against the grammar spelled out plainly and against strtod; and as binary
// numbers of every datatype, which must be read back equal from their print.

#include "../../kernels/number_text.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "../../kernels/datatype.h"
#include "fuzz.h"

namespace penstock::fuzz {
namespace {

const uint8_t* Digits(const uint8_t* p, const uint8_t* end) {
  while (p < end && *p >= '0' && *p <= '9') ++p;
  return p;
}

// The end of the longest JSON number (RFC 8259) that the scanner must see, or null: no clever arithmetic here.
const uint8_t* PlainScan(const uint8_t* p, const uint8_t* end) {
  if (p < end && *p == '-') ++p;
  const uint8_t* whole = p;
  p = p < end && *p == '0' ? p + 1 : Digits(p, end);
  if (p == whole) return nullptr;
  if (p < end && *p == '.') {
    const uint8_t* fraction = p + 1;
    p = Digits(fraction, end);
    if (p == fraction) return nullptr;
  }
  if (p < end && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p < end && (*p == '+' || *p == '-')) ++p;
    const uint8_t* exponent = p;
    p = Digits(exponent, end);
    if (p == exponent) return nullptr;
  }
  return p;
}

uint64_t BitsOf(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, 8);
  return bits;
}

void CheckMagnitude(const NumberToken& token, double value) {
  uint64_t magnitude = 0;
  switch (ToMagnitude(token, &magnitude)) {
    case IntegerResult::kOk:
      REQUIRE(std::fabs(value) == static_cast<double>(magnitude));
      break;
    case IntegerResult::kRange:
      REQUIRE(std::fabs(value) >= 0x1p64);
      break;
    case IntegerResult::kFraction:
      REQUIRE(value != 0 || token.mantissa != 0 || !token.exact);
  }
}

void CheckText(const uint8_t* data, size_t size) {
  const Exact text(data, size);
  NumberToken token;
  const uint8_t* end = PlainScan(text.data(), text.end());
  REQUIRE(ScanNumber(text.data(), text.end(), &token) == (end != nullptr));
  if (end == nullptr) return;
  REQUIRE(token.begin == text.data() && token.end == end);
  REQUIRE(token.negative == (*token.begin == '-'));
  const std::string copy(token.begin, token.end);
  const double value = ToDouble(token);
  if (copy.size() > kMaxNumberLength) {
    REQUIRE(std::isinf(value) || token.exact);
    return;
  }
  REQUIRE(BitsOf(value) == BitsOf(std::strtod(copy.c_str(), nullptr)));
  CheckMagnitude(token, value);
}

template <typename T>
bool ReadsBack(const NumberToken& token, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    const T back = static_cast<T>(ToDouble(token));
    return std::memcmp(&back, &value, sizeof(T)) == 0;
  } else {
    uint64_t magnitude = 0;
    if (ToMagnitude(token, &magnitude) != IntegerResult::kOk) return false;
    return static_cast<T>(token.negative ? ~magnitude + 1 : magnitude) == value && token.negative == (value < 0);
  }
}

// One element at `*p`, and moves behind it.
template <typename T>
void CheckElement(const uint8_t** p, const uint8_t* end, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      REQUIRE(end - *p >= 4 && std::memcmp(*p, "null", 4) == 0);
      *p += 4;
      return;
    }
  }
  NumberToken token;
  REQUIRE(ScanNumber(*p, end, &token));
  REQUIRE(ReadsBack(token, value));
  *p = token.end;
}

template <typename T>
void CheckPrint(int datatype, const uint8_t* data, size_t size) {
  const size_t count = size / sizeof(T);
  const Exact source(data, count * sizeof(T));
  Exact text(count * MaxPrinted(datatype));
  const size_t length = PrintNumbers(datatype, source.data(), count, text.data());
  REQUIRE(length <= text.size());
  const Exact printed(text.data(), length);
  const uint8_t* p = printed.data();
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) REQUIRE(p < printed.end() && *p++ == ',');
    T value;
    std::memcpy(&value, source.data() + i * sizeof(T), sizeof(T));
    CheckElement(&p, printed.end(), value);
  }
  REQUIRE(p == printed.end());
}

void CheckBools(const uint8_t* data, size_t size) {
  const Exact source(data, size);
  Exact text(size * MaxPrinted(kBool));
  const size_t length = PrintNumbers(kBool, source.data(), size, text.data());
  std::string expected;
  for (size_t i = 0; i < size; ++i) expected += std::string(i > 0 ? "," : "") + (data[i] != 0 ? "true" : "false");
  REQUIRE(expected == std::string(text.data(), text.data() + length));
}

void CheckPrints(const uint8_t* data, size_t size) {
  CheckBools(data, size);
  CheckPrint<uint8_t>(kUint8, data, size);
  CheckPrint<uint16_t>(kUint16, data, size);
  CheckPrint<uint32_t>(kUint32, data, size);
  CheckPrint<uint64_t>(kUint64, data, size);
  CheckPrint<int8_t>(kInt8, data, size);
  CheckPrint<int16_t>(kInt16, data, size);
  CheckPrint<int32_t>(kInt32, data, size);
  CheckPrint<int64_t>(kInt64, data, size);
  CheckPrint<float>(kFp32, data, size);
  CheckPrint<double>(kFp64, data, size);
}

}  // namespace
}  // namespace penstock::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::fuzz::CheckText(data, size);
  penstock::fuzz::CheckPrints(data, std::min(size, size_t{256}));
  return 0;
}
