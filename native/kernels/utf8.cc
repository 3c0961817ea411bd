#include "utf8.h"

#include <cstring>

namespace penstock {
namespace {

inline bool Continues(uint8_t c) { return (c & 0xC0) == 0x80; }

inline int HexDigit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The four hex digits at `p`, or -1.
int32_t Hex4(const uint8_t* p, const uint8_t* end) {
  if (end - p < 4) return -1;
  int32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = HexDigit(p[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

// Whether the eight bytes hold a quote, a backslash, a control character or a byte over 0x7F.
inline bool NeedsCare(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHigh = 0x8080808080808080;
  const uint64_t quote = word ^ (kOnes * '"');
  const uint64_t slash = word ^ (kOnes * '\\');
  return ((word | (word - kOnes * 0x20) | (quote - kOnes) | (slash - kOnes)) & kHigh) != 0;
}

// Scans the escape whose backslash is at `*p`, and moves behind it.
StringFault ScanEscape(const uint8_t** p, const uint8_t* end) {
  const uint8_t* at = *p + 1;
  if (at >= end) return StringFault::kSyntax;
  if (*at != 'u') {
    if (std::strchr("\"\\/bfnrt", *at) == nullptr || *at == 0) return StringFault::kSyntax;
    *p = at + 1;
    return StringFault::kNone;
  }
  const int32_t unit = Hex4(at + 1, end);
  if (unit < 0) return StringFault::kSyntax;
  at += 5;
  if (unit >= 0xDC00 && unit <= 0xDFFF) return StringFault::kEncoding;
  if (unit >= 0xD800 && unit <= 0xDBFF) {
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return StringFault::kEncoding;
    const int32_t low = Hex4(at + 2, end);
    if (low < 0) return StringFault::kSyntax;
    if (low < 0xDC00 || low > 0xDFFF) return StringFault::kEncoding;
    at += 6;
  }
  *p = at;
  return StringFault::kNone;
}

size_t EncodeUtf8(uint32_t c, uint8_t* out) {
  if (c < 0x80) {
    out[0] = static_cast<uint8_t>(c);
    return 1;
  }
  if (c < 0x800) {
    out[0] = static_cast<uint8_t>(0xC0 | (c >> 6));
    out[1] = static_cast<uint8_t>(0x80 | (c & 0x3F));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = static_cast<uint8_t>(0xE0 | (c >> 12));
    out[1] = static_cast<uint8_t>(0x80 | ((c >> 6) & 0x3F));
    out[2] = static_cast<uint8_t>(0x80 | (c & 0x3F));
    return 3;
  }
  out[0] = static_cast<uint8_t>(0xF0 | (c >> 18));
  out[1] = static_cast<uint8_t>(0x80 | ((c >> 12) & 0x3F));
  out[2] = static_cast<uint8_t>(0x80 | ((c >> 6) & 0x3F));
  out[3] = static_cast<uint8_t>(0x80 | (c & 0x3F));
  return 4;
}

// Resolves the (valid) escape at `*p` into `out`, and moves behind it.
size_t ResolveEscape(const uint8_t** p, const uint8_t* end, uint8_t* out) {
  const uint8_t kind = (*p)[1];
  if (kind != 'u') {
    *p += 2;
    switch (kind) {
      case 'b':
        *out = '\b';
        break;
      case 'f':
        *out = '\f';
        break;
      case 'n':
        *out = '\n';
        break;
      case 'r':
        *out = '\r';
        break;
      case 't':
        *out = '\t';
        break;
      default:
        *out = kind;
    }
    return 1;
  }
  uint32_t c = static_cast<uint32_t>(Hex4(*p + 2, end));
  *p += 6;
  if (c >= 0xD800 && c <= 0xDBFF) {
    c = 0x10000 + ((c - 0xD800) << 10) + (static_cast<uint32_t>(Hex4(*p + 2, end)) - 0xDC00);
    *p += 6;
  }
  return EncodeUtf8(c, out);
}

}  // namespace

size_t Utf8Character(const uint8_t* p, const uint8_t* end) {
  const uint8_t c = *p;
  if (c < 0x80) return 1;
  const ptrdiff_t left = end - p;
  if (c < 0xC2) return 0;
  if (c < 0xE0) return left >= 2 && Continues(p[1]) ? 2 : 0;
  if (c < 0xF0) {
    if (left < 3 || !Continues(p[1]) || !Continues(p[2])) return 0;
    if (c == 0xE0 && p[1] < 0xA0) return 0;  // overlong
    if (c == 0xED && p[1] > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (c > 0xF4 || left < 4 || !Continues(p[1]) || !Continues(p[2]) || !Continues(p[3])) return 0;
  if (c == 0xF0 && p[1] < 0x90) return 0;  // overlong
  if (c == 0xF4 && p[1] > 0x8F) return 0;  // above U+10FFFF
  return 4;
}

bool IsUtf8(const uint8_t* p, size_t length) {
  const uint8_t* end = p + length;
  while (p < end) {
    uint64_t word;
    if (end - p >= 8 && (std::memcpy(&word, p, 8), (word & 0x8080808080808080) == 0)) {
      p += 8;
      continue;
    }
    const size_t bytes = Utf8Character(p, end);
    if (bytes == 0) return false;
    p += bytes;
  }
  return true;
}

StringFault ScanString(const uint8_t* p, const uint8_t* end, StringToken* token) {
  token->begin = p;
  token->escaped = false;
  StringFault fault = StringFault::kSyntax;  // what an unterminated string is
  while (p < end) {
    uint64_t word;
    if (end - p >= 8 && (std::memcpy(&word, p, 8), !NeedsCare(word))) {
      p += 8;
      continue;
    }
    const uint8_t c = *p;
    if (c == '"') {
      fault = StringFault::kNone;
      break;
    }
    if (c < 0x20) break;
    if (c == '\\') {
      token->escaped = true;
      fault = ScanEscape(&p, end);
      if (fault != StringFault::kNone) break;
      fault = StringFault::kSyntax;
      continue;
    }
    const size_t bytes = Utf8Character(p, end);
    if (bytes == 0) {
      fault = StringFault::kEncoding;
      break;
    }
    p += bytes;
  }
  token->end = p;
  return fault;
}

size_t UnescapedLength(const StringToken& token) {
  if (!token.escaped) return static_cast<size_t>(token.end - token.begin);
  size_t length = 0;
  uint8_t scratch[4];
  for (const uint8_t* p = token.begin; p < token.end;) {
    if (*p == '\\') {
      length += ResolveEscape(&p, token.end, scratch);
    } else {
      ++p;
      ++length;
    }
  }
  return length;
}

size_t Unescape(const StringToken& token, uint8_t* target) {
  if (!token.escaped) {
    const size_t length = static_cast<size_t>(token.end - token.begin);
    if (length > 0) std::memcpy(target, token.begin, length);
    return length;
  }
  uint8_t* out = target;
  for (const uint8_t* p = token.begin; p < token.end;) {
    if (*p == '\\') {
      out += ResolveEscape(&p, token.end, out);
    } else {
      *out++ = *p++;
    }
  }
  return static_cast<size_t>(out - target);
}

}  // namespace penstock
