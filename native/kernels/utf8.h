// UTF-8 (RFC 3629) and JSON string bodies.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock {

// Bytes of the well-formed character at `p` (1..4), or 0 where there is none.
size_t Utf8Character(const uint8_t* p, const uint8_t* end);

bool IsUtf8(const uint8_t* p, size_t length);

enum class StringFault { kNone, kSyntax, kEncoding };

// A JSON string: from behind the opening quote to the closing one.
struct StringToken {
  const uint8_t* begin = nullptr;
  const uint8_t* end = nullptr;  // the closing quote
  bool escaped = false;
};

// Scans and validates the string whose first character is at `p`. On a fault `token->end` is where it was noticed.
StringFault ScanString(const uint8_t* p, const uint8_t* end, StringToken* token);

// Bytes of the string once its escapes are resolved.
size_t UnescapedLength(const StringToken& token);

// Writes the string with escapes resolved; `target` has room for UnescapedLength bytes. Returns the bytes written.
size_t Unescape(const StringToken& token, uint8_t* target);

}  // namespace penstock
