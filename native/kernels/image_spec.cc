#include "image_spec.h"

#include <cmath>

namespace penstock {
namespace {

bool IsSide(int32_t side, int32_t most) { return side >= 1 && side <= most; }

// Whether [start, start + length) lies in [0, whole), and is not empty.
bool Within(int32_t start, int32_t length, int32_t whole) {
  return start >= 0 && length >= 1 && length <= whole && start <= whole - length;
}

template <typename T>
bool IsOneOf(T value, T last) {
  return static_cast<int32_t>(value) >= 0 && static_cast<int32_t>(value) <= static_cast<int32_t>(last);
}

const char* FormFault(const ImageSpec& spec) {
  if (!IsOneOf(spec.filter, Filter::kArea)) return "unknown filter";
  if (!IsOneOf(spec.colour, Colour::kGray)) return "unknown colour";
  if (!IsOneOf(spec.layout, Layout::kNhwc)) return "unknown layout";
  if (!IsOneOf(spec.element, Element::kUint8)) return "unknown datatype";
  const bool always = spec.filter == Filter::kLanczos3 || spec.filter == Filter::kArea;
  if (always && !spec.antialias) return "lanczos3 and area are antialiased";
  for (int i = 0; i < 3; ++i) {
    if (!std::isfinite(spec.scale[i]) || !std::isfinite(spec.shift[i])) return "scale and shift must be finite";
  }
  return spec.pad >= 0 && spec.pad <= 255 ? nullptr : "the padding must be in 0..255";
}

}  // namespace

const char* SpecFault(const ImageSpec& spec, size_t pixels, size_t room) {
  if (!IsSide(spec.width, kMaxImageSide) || !IsSide(spec.height, kMaxImageSide)) return "the source's size";
  if (spec.channels < 1 || spec.channels > 4) return "the source's channels";
  // No product below overflows: sides are below 2^16, sizes have 64 bits.
  static_assert(sizeof(size_t) >= 8);
  const size_t bytes =
      static_cast<size_t>(spec.width) * static_cast<size_t>(spec.height) * static_cast<size_t>(spec.channels);
  if (bytes != pixels) return "the source's bytes are not width x height x channels";
  if (!IsSide(spec.resized_width, kMaxResizedSide) || !IsSide(spec.resized_height, kMaxResizedSide)) {
    return "the size to resample to";
  }
  if (!IsSide(spec.tensor_width, kMaxImageSide) || !IsSide(spec.tensor_height, kMaxImageSide)) {
    return "the tensor's size";
  }
  if (!Within(spec.crop_left, spec.crop_width, spec.resized_width) ||
      !Within(spec.crop_top, spec.crop_height, spec.resized_height)) {
    return "the crop window lies outside the resampled image";
  }
  if (!Within(spec.at_left, spec.crop_width, spec.tensor_width) ||
      !Within(spec.at_top, spec.crop_height, spec.tensor_height)) {
    return "the crop window lies outside the tensor";
  }
  if (const char* fault = FormFault(spec)) return fault;
  return TensorBytes(spec) <= room ? nullptr : "the tensor does not fit its memory";
}

}  // namespace penstock
