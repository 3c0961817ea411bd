#include "number_text.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "datatype.h"

namespace penstock {
namespace {

constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

inline bool IsDigit(uint8_t c) { return static_cast<uint8_t>(c - '0') < 10; }

inline uint64_t Load8(const uint8_t* p) {
  uint64_t word;
  std::memcpy(&word, p, 8);
  return word;
}

// Whether all eight bytes are ASCII digits.
inline bool EightDigits(uint64_t word) {
  return ((word & 0xF0F0F0F0F0F0F0F0) | (((word + 0x0606060606060606) & 0xF0F0F0F0F0F0F0F0) >> 4)) ==
         0x3333333333333333;
}

// The number that eight ASCII digits spell (little-endian load): pairs, then fours, then all eight.
inline uint64_t ParseEight(uint64_t word) {
  word -= 0x3030303030303030;
  word = (word * 10) + (word >> 8);
  constexpr uint64_t kMask = 0x000000FF000000FF;
  constexpr uint64_t kHigh = 0x000F424000000064;
  constexpr uint64_t kLow = 0x0000271000000001;
  return static_cast<uint32_t>((((word & kMask) * kHigh) + (((word >> 16) & kMask) * kLow)) >> 32);
}

inline const uint8_t* ScanDigits(const uint8_t* p, const uint8_t* end, uint64_t* value) {
  uint64_t v = *value;
  while (end - p >= 8) {
    const uint64_t word = Load8(p);
    if (!EightDigits(word)) break;
    v = v * 100000000 + ParseEight(word);
    p += 8;
  }
  while (p < end && IsDigit(*p)) v = v * 10 + (*p++ - '0');
  *value = v;
  return p;
}

// Digits before the first significant one do not count towards the 19 that a mantissa holds.
size_t SignificantDigits(const uint8_t* begin, const uint8_t* end) {
  while (begin < end && (*begin == '0' || *begin == '.')) ++begin;
  size_t digits = 0;
  for (; begin < end && (IsDigit(*begin) || *begin == '.'); ++begin) digits += *begin != '.';
  return digits;
}

const uint8_t* ScanExponent(const uint8_t* p, const uint8_t* end, NumberToken* token) {
  bool negative = false;
  if (p < end && (*p == '+' || *p == '-')) negative = *p++ == '-';
  const uint8_t* start = p;
  uint64_t value = 0;
  p = ScanDigits(p, end, &value);
  if (p == start) return nullptr;
  if (p - start > 9) {
    token->exact = false;
    return p;
  }
  token->exponent += negative ? -static_cast<int32_t>(value) : static_cast<int32_t>(value);
  return p;
}

double SlowDouble(const NumberToken& token) {
  const size_t length = static_cast<size_t>(token.end - token.begin);
  if (length > kMaxNumberLength) return std::numeric_limits<double>::infinity();
  const char* text = reinterpret_cast<const char*>(token.begin);
  double value = 0;
  const auto [end, error] = std::from_chars(text, text + length, value);
  if (error == std::errc()) return value;
  // Out of range says nothing of the direction, strtod does: infinity or the nearest tiny value.
  char copy[kMaxNumberLength + 1];
  std::memcpy(copy, text, length);
  copy[length] = '\0';
  return std::strtod(copy, nullptr);
}

// Whole numbers written with a fraction, an exponent or more than 19 digits.
IntegerResult SlowMagnitude(const NumberToken& token, uint64_t* magnitude) {
  const size_t length = static_cast<size_t>(token.end - token.begin);
  if (length > kMaxNumberLength) return IntegerResult::kRange;
  char digits[kMaxNumberLength];
  int64_t count = 0;
  int64_t exponent = 0;
  bool fraction = false;
  const uint8_t* p = token.begin + (token.negative ? 1 : 0);
  for (; p < token.end && *p != 'e' && *p != 'E'; ++p) {
    if (*p == '.') {
      fraction = true;
      continue;
    }
    if (count > 0 || *p != '0') digits[count++] = static_cast<char>(*p);
    exponent -= fraction;
  }
  if (p < token.end) {
    const bool negative = *++p == '-';
    p += *p == '-' || *p == '+';
    int64_t value = 0;
    for (; p < token.end; ++p) value = value > 100000 ? value : value * 10 + (*p - '0');
    exponent += negative ? -value : value;
  }
  while (count > 0 && digits[count - 1] == '0') {
    --count;
    ++exponent;
  }
  *magnitude = 0;
  if (count == 0) return IntegerResult::kOk;
  if (exponent < 0) return IntegerResult::kFraction;
  if (count + exponent > 20) return IntegerResult::kRange;
  __extension__ using Wide = unsigned __int128;
  Wide value = 0;
  for (int64_t i = 0; i < count + exponent; ++i)
    value = value * 10 + static_cast<Wide>(i < count ? digits[i] - '0' : 0);
  if (value > std::numeric_limits<uint64_t>::max()) return IntegerResult::kRange;
  *magnitude = static_cast<uint64_t>(value);
  return IntegerResult::kOk;
}

uint8_t* Text(uint8_t* target, const char* text, size_t length) {
  std::memcpy(target, text, length);
  return target + length;
}

template <typename T>
uint8_t* PrintOne(T value, uint8_t* target) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return Text(target, "null", 4);
  }
  char* out = reinterpret_cast<char*>(target);
  return reinterpret_cast<uint8_t*>(std::to_chars(out, out + 32, value).ptr);
}

template <typename T>
size_t PrintAll(const uint8_t* source, size_t count, uint8_t* target) {
  uint8_t* out = target;
  for (size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, source + i * sizeof(T), sizeof(T));
    if (i > 0) *out++ = ',';
    out = PrintOne(value, out);
  }
  return static_cast<size_t>(out - target);
}

size_t PrintBools(const uint8_t* source, size_t count, uint8_t* target) {
  uint8_t* out = target;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) *out++ = ',';
    out = source[i] != 0 ? Text(out, "true", 4) : Text(out, "false", 5);
  }
  return static_cast<size_t>(out - target);
}

}  // namespace

bool ScanNumber(const uint8_t* p, const uint8_t* end, NumberToken* token) {
  token->begin = p;
  token->mantissa = 0;
  token->exponent = 0;
  token->exact = true;
  token->negative = p < end && *p == '-';
  p += token->negative;
  const uint8_t* digits = p;
  uint64_t mantissa = 0;
  if (p < end && *p == '0') {
    ++p;
  } else {
    p = ScanDigits(p, end, &mantissa);
    if (p == digits) return false;
  }
  if (p < end && *p == '.') {
    const uint8_t* fraction = ++p;
    p = ScanDigits(p, end, &mantissa);
    if (p == fraction) return false;
    token->exponent = -static_cast<int32_t>(p - fraction < 100000 ? p - fraction : 100000);
  }
  if (p - digits > 19 && SignificantDigits(digits, p) > 19) token->exact = false;
  if (p < end && (*p | 0x20) == 'e') {
    p = ScanExponent(p + 1, end, token);
    if (p == nullptr) return false;
  }
  token->mantissa = mantissa;
  token->end = p;
  if (p - token->begin > static_cast<ptrdiff_t>(kMaxNumberLength)) token->exact = false;
  return true;
}

double ToDouble(const NumberToken& token) {
  // Both factors are exact doubles, so that their product or quotient is rounded once: correctly.
  if (token.exact && token.mantissa <= (uint64_t{1} << 53) && token.exponent >= -22 && token.exponent <= 22) {
    const double mantissa = static_cast<double>(token.mantissa);
    const double value =
        token.exponent < 0 ? mantissa / kPowersOfTen[-token.exponent] : mantissa * kPowersOfTen[token.exponent];
    return token.negative ? -value : value;
  }
  return SlowDouble(token);
}

IntegerResult ToMagnitude(const NumberToken& token, uint64_t* magnitude) {
  if (token.exact && token.exponent == 0) {
    *magnitude = token.mantissa;
    return IntegerResult::kOk;
  }
  return SlowMagnitude(token, magnitude);
}

size_t MaxPrinted(int datatype_id) {
  switch (datatype_id) {
    case kFp64:
    case kUint64:
    case kInt64:
      return 26;
    case kFp32:
      return 17;
    default:
      return 12;
  }
}

size_t PrintNumbers(int datatype_id, const uint8_t* source, size_t count, uint8_t* target) {
  switch (datatype_id) {
    case kBool:
      return PrintBools(source, count, target);
    case kUint8:
      return PrintAll<uint8_t>(source, count, target);
    case kUint16:
      return PrintAll<uint16_t>(source, count, target);
    case kUint32:
      return PrintAll<uint32_t>(source, count, target);
    case kUint64:
      return PrintAll<uint64_t>(source, count, target);
    case kInt8:
      return PrintAll<int8_t>(source, count, target);
    case kInt16:
      return PrintAll<int16_t>(source, count, target);
    case kInt32:
      return PrintAll<int32_t>(source, count, target);
    case kInt64:
      return PrintAll<int64_t>(source, count, target);
    case kFp32:
      return PrintAll<float>(source, count, target);
    case kFp64:
      return PrintAll<double>(source, count, target);
    default:
      return 0;
  }
}

}  // namespace penstock
