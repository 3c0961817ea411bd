// Numbers as JSON text: scanning (RFC 8259 grammar) and printing. Knows nothing of tensors or documents.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace penstock {

// Longest number text accepted; stops a 64 MiB "number" from being converted.
inline constexpr size_t kMaxNumberLength = 400;

// A number's text, taken apart. Value = (-1)^negative * mantissa * 10^exponent while `exact`; with more than 19 digits,
// or an exponent of over 9 digits, `exact` is false and the text itself must be converted.
struct NumberToken {
  const uint8_t* begin = nullptr;
  const uint8_t* end = nullptr;
  uint64_t mantissa = 0;
  int32_t exponent = 0;
  bool negative = false;
  bool exact = true;
};

// Scans one number at `p`; false where the grammar is broken. Reads nothing at or behind `end`.
bool ScanNumber(const uint8_t* p, const uint8_t* end, NumberToken* token);

// The nearest double; infinite where none is near enough. Texts over kMaxNumberLength give infinity.
double ToDouble(const NumberToken& token);

enum class IntegerResult { kOk, kFraction, kRange };

// The number as a whole one of magnitude up to 2^64-1; `1.0` and `1e2` are whole.
IntegerResult ToMagnitude(const NumberToken& token, uint64_t* magnitude);

// Bytes that must be readable behind the start of a number for PlainNumber: 1 sign, 8 digits, 1 point, 16 digits and
// the loads that reach beyond them.
inline constexpr ptrdiff_t kPlainReach = 40;

// Up to eight digits at `p`, added to `*value` as its next ones. Returns how many there were.
inline unsigned TakeDigits(const uint8_t* p, uint64_t* value) {
  constexpr uint64_t kPowers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
  uint64_t word;
  std::memcpy(&word, p, 8);
  word ^= 0x3030303030303030;  // digits become 0..9, all other bytes more
  const uint64_t others = ((word + 0x7676767676767676) | word) & 0x8080808080808080;
  const unsigned count = static_cast<unsigned>(std::countr_zero(others)) / 8;
  if (count == 0) return 0;
  word <<= 64 - 8 * count;  // leading zeros in front of the digits
  word = word * 10 + (word >> 8);
  constexpr uint64_t kMask = 0x000000FF000000FF;
  const uint64_t eight = ((word & kMask) * 0x000F424000000064 + ((word >> 16) & kMask) * 0x0000271000000001) >> 32;
  *value = *value * kPowers[count] + static_cast<uint32_t>(eight);
  return count;
}

// The number as most are written: up to 7 digits, and up to 15 behind a point, no exponent, exactly representable on
// the way. Returns where it ends, or nullptr where it is no such number, which says nothing of its grammar: ScanNumber
// decides. The caller has made sure that kPlainReach bytes can be read.
inline const uint8_t* PlainNumber(const uint8_t* p, double* value) {
  constexpr double kPowers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const bool negative = *p == '-';
  p += negative;
  uint64_t mantissa = 0;
  const unsigned whole = *p == '0' ? 1 : TakeDigits(p, &mantissa);
  if (whole == 0 || whole == 8) return nullptr;
  p += whole;
  unsigned fraction = 0;
  if (*p == '.') {
    fraction = TakeDigits(++p, &mantissa);
    if (fraction == 8) fraction += TakeDigits(p + 8, &mantissa);
    if (fraction == 0 || fraction == 16) return nullptr;
    p += fraction;
  }
  // 19 digits fit 64 bits, and 2^53 fits a double.
  if (whole + fraction > 19 || mantissa > (uint64_t{1} << 53)) return nullptr;
  if ((*p | 0x20) == 'e' || static_cast<uint8_t>(*p - '0') < 10) return nullptr;
  // Both are exact doubles: the quotient is rounded once, correctly.
  double magnitude = static_cast<double>(mantissa);
  if (fraction > 0 && mantissa > 0) magnitude /= kPowers[fraction];
  *value = negative ? -magnitude : magnitude;
  return p;
}

// Bytes that one printed element can take at most, its comma included.
size_t MaxPrinted(int datatype_id);

// Prints `count` elements of little-endian binary as comma-separated JSON; see binding.ts, printNumbers. Returns the
// bytes written. The caller has made room for count * MaxPrinted(datatype_id).
size_t PrintNumbers(int datatype_id, const uint8_t* source, size_t count, uint8_t* target);

}  // namespace penstock
