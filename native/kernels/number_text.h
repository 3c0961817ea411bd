// Numbers as JSON text: scanning (RFC 8259 grammar) and printing. Knows nothing of tensors or documents.
#pragma once

#include <cstddef>
#include <cstdint>

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

// Bytes that one printed element can take at most, its comma included.
size_t MaxPrinted(int datatype_id);

// Prints `count` elements of little-endian binary as comma-separated JSON; see binding.ts, printNumbers. Returns the
// bytes written. The caller has made room for count * MaxPrinted(datatype_id).
size_t PrintNumbers(int datatype_id, const uint8_t* source, size_t count, uint8_t* target);

}  // namespace penstock
