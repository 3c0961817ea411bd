// BYTES tensors in binary form: each element a u32 little-endian length and its bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock {

// Added to an element's index where its text, not its framing, is at fault.
inline constexpr int64_t kTextFault = int64_t{1} << 31;

// Finds `count` elements in `length` bytes: offsets[2i] (relative to `source`) and offsets[2i+1] (length). With `text`
// each must be UTF-8 without NUL. Returns -1 where all is well, the index of the element at fault (+ kTextFault), or
// `count` where bytes are left over.
int64_t SplitBytes(const uint8_t* source, size_t length, size_t count, uint32_t* offsets, bool text);

// Writes `count` elements of `source` named by (start, length) pairs in binary form. Returns bytes written, -1 where
// `capacity` is too small. The caller has checked that the pairs lie inside `source`.
int64_t JoinBytes(const uint8_t* source, const uint32_t* offsets, size_t count, uint8_t* target, size_t capacity);

}  // namespace penstock
