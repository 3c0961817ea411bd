// The header of an encoded image: arguments checked, then the kernel.

#include "../kernels/image_header.h"

#include <cstring>

#include "call.h"

namespace penstock {
namespace {

// Numbers that the call fills, in the order of `ImagePlace` in image-words.ts.
constexpr size_t kResultLength = 16;

napi_value ImageHeaderCall(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  const size_t length = arguments.Count(2);
  const uint8_t* source = arguments.Range(0, 1, static_cast<double>(length), "imageHeader: source");
  const MemoryView view = arguments.View(3, "imageHeader: result");
  if (view.length < kResultLength * sizeof(double))
    throw Napi::RangeError::New(env, "imageHeader: result is too small");
  const ImageHeader header = ReadImageHeader(source, length);
  const double values[kResultLength] = {
      static_cast<double>(header.status),      static_cast<double>(header.format),
      static_cast<double>(header.width),       static_cast<double>(header.height),
      static_cast<double>(header.channels),    static_cast<double>(header.bits),
      static_cast<double>(header.colour),      static_cast<double>(header.frames),
      static_cast<double>(header.orientation), header.truncated ? 1.0 : 0.0,
      static_cast<double>(header.fault),       static_cast<double>(header.fault_offset),
      static_cast<double>(header.fault_bound), static_cast<double>(header.coding),
      static_cast<double>(header.packed),      static_cast<double>(header.groups),
  };
  std::memcpy(view.data, values, sizeof values);
  return ToJs(env, static_cast<int32_t>(header.status));
}

constexpr Export kCalls[] = {{"imageHeader", Guard<ImageHeaderCall>}};

}  // namespace

std::span<const Export> ImageHeaderCalls() { return kCalls; }

}  // namespace penstock
