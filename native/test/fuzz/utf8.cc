// The fuzzer's bytes as text, against a decoder that computes code points; and as a JSON string, whose escapes resolve
// to valid text of the length announced that survives being escaped again.

#include "../../kernels/utf8.h"

#include <cstdio>
#include <string>

#include "fuzz.h"

namespace penstock::fuzz {
namespace {

// Bytes of the character at `p` by RFC 3629: decode, then ask whether it is in range and as short as it can be.
size_t PlainCharacter(const uint8_t* p, const uint8_t* end, uint32_t* code) {
  const uint8_t c = *p;
  if (c < 0x80) {
    *code = c;
    return 1;
  }
  const size_t bytes = c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
  if (bytes == 0 || static_cast<size_t>(end - p) < bytes) return 0;
  uint32_t value = c & (0xFFU >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if (p[i] >> 6 != 2) return 0;
    value = value << 6 | (p[i] & 0x3F);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kLeast[bytes] || value > 0x10FFFF || surrogate) return 0;
  *code = value;
  return bytes;
}

bool PlainIsUtf8(const Exact& text) {
  uint32_t code;
  for (const uint8_t* p = text.data(); p < text.end();) {
    const size_t bytes = PlainCharacter(p, text.end(), &code);
    REQUIRE(Utf8Character(p, text.end()) == bytes);
    if (bytes == 0) return false;
    p += bytes;
  }
  return true;
}

void AppendUnit(std::string* text, uint32_t unit) {
  char escape[8];
  std::snprintf(escape, sizeof(escape), "\\u%04x", unit);
  *text += escape;
}

// Valid text with every character as an escape.
std::string Escaped(const Exact& text) {
  std::string escaped;
  uint32_t code;
  for (const uint8_t* p = text.data(); p < text.end(); p += PlainCharacter(p, text.end(), &code)) {
    PlainCharacter(p, text.end(), &code);
    if (code >= 0x10000) {
      AppendUnit(&escaped, 0xD800 + ((code - 0x10000) >> 10));
      AppendUnit(&escaped, 0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
      AppendUnit(&escaped, code);
    }
  }
  return escaped;
}

Exact Resolved(const StringToken& token) {
  Exact text(UnescapedLength(token));
  REQUIRE(Unescape(token, text.data()) == text.size());
  return text;
}

void CheckRoundTrip(const Exact& text) {
  const std::string escaped = Escaped(text) + '"';
  const Exact again(reinterpret_cast<const uint8_t*>(escaped.data()), escaped.size());
  StringToken token;
  REQUIRE(ScanString(again.data(), again.end(), &token) == StringFault::kNone);
  const Exact back = Resolved(token);
  REQUIRE(text.Holds(back.data(), back.size()));
}

void CheckString(const Exact& body) {
  StringToken token;
  const StringFault fault = ScanString(body.data(), body.end(), &token);
  REQUIRE(token.begin == body.data() && token.end >= token.begin && token.end <= body.end());
  if (fault != StringFault::kNone) return;
  REQUIRE(token.end < body.end() && *token.end == '"');
  for (const uint8_t* p = token.begin; p < token.end; ++p) REQUIRE(*p >= 0x20 && (*p != '"' || p[-1] == '\\'));
  const Exact text = Resolved(token);
  REQUIRE(text.size() <= static_cast<size_t>(token.end - token.begin) && IsUtf8(text.data(), text.size()));
  REQUIRE(token.escaped || text.Holds(token.begin, static_cast<size_t>(token.end - token.begin)));
  CheckRoundTrip(text);
}

}  // namespace
}  // namespace penstock::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const penstock::fuzz::Exact body(data, size);
  REQUIRE(penstock::IsUtf8(body.data(), body.size()) == penstock::fuzz::PlainIsUtf8(body));
  penstock::fuzz::CheckString(body);
  return 0;
}
