#include "bytes_tensor.h"

#include <cstring>

#include "utf8.h"

namespace penstock {

int64_t SplitBytes(const uint8_t* source, size_t length, size_t count, uint32_t* offsets, bool text) {
  size_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    if (length - at < 4) return static_cast<int64_t>(i);
    uint32_t size;
    std::memcpy(&size, source + at, 4);
    at += 4;
    if (length - at < size) return static_cast<int64_t>(i);
    if (text && (!IsUtf8(source + at, size) || (size > 0 && std::memchr(source + at, 0, size) != nullptr))) {
      return static_cast<int64_t>(i) + kTextFault;
    }
    offsets[2 * i] = static_cast<uint32_t>(at);
    offsets[2 * i + 1] = size;
    at += size;
  }
  return at == length ? -1 : static_cast<int64_t>(count);
}

int64_t JoinBytes(const uint8_t* source, const uint32_t* offsets, size_t count, uint8_t* target, size_t capacity) {
  size_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t size = offsets[2 * i + 1];
    if (capacity - at < 4 || capacity - at - 4 < size) return -1;
    std::memcpy(target + at, &size, 4);
    if (size > 0) std::memcpy(target + at + 4, source + offsets[2 * i], size);
    at += 4 + size;
  }
  return static_cast<int64_t>(at);
}

}  // namespace penstock
