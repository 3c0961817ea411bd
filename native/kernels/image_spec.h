// What is asked of one image: its memory, the size it is resampled to, the window of that which is computed, and the
// form of the tensor. Numbers only; SpecFault says whether they fit together and their memories.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock {

enum class Filter : int32_t { kNearest, kBilinear, kBicubic, kLanczos3, kArea };
enum class Colour : int32_t { kRgb, kBgr, kGray };
enum class Layout : int32_t { kNchw, kNhwc };
enum class Element : int32_t { kFp32, kFp16, kUint8 };

// Longest side of a source image and of a tensor, in pixels: what JPEG and WebP can hold. Keeps the weights of one side
// within a few megabytes.
constexpr int32_t kMaxImageSide = 65535;

// Longest side that an image is resampled to, of which only a window is ever computed: the shortest side of the
// narrowest image taken to 256 pixels.
constexpr int32_t kMaxResizedSide = 1 << 24;

struct ImageSpec {
  // The source: packed rows of `channels` bytes a pixel (1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha).
  int32_t width;
  int32_t height;
  int32_t channels;
  // What it is resampled to, and how.
  int32_t resized_width;
  int32_t resized_height;
  Filter filter;
  bool antialias;
  // The window of the resampled image that is computed.
  int32_t crop_left;
  int32_t crop_top;
  int32_t crop_width;
  int32_t crop_height;
  // The tensor, and where the window lies in it. Everything around the window gets the value of `pad`.
  int32_t tensor_width;
  int32_t tensor_height;
  int32_t at_left;
  int32_t at_top;
  Colour colour;
  Layout layout;
  Element element;
  // Element = pixel * scale + shift, by channel of the tensor in its own order.
  float scale[3];
  float shift[3];
  // In 0..255, before scale and shift.
  float pad;
};

inline size_t ElementSize(Element element) { return element == Element::kFp32 ? 4 : element == Element::kFp16 ? 2 : 1; }

inline int TensorChannels(const ImageSpec& spec) { return spec.colour == Colour::kGray ? 1 : 3; }

// Bytes that the tensor takes.
inline size_t TensorBytes(const ImageSpec& spec) {
  return static_cast<size_t>(spec.tensor_width) * static_cast<size_t>(spec.tensor_height) *
         static_cast<size_t>(TensorChannels(spec)) * ElementSize(spec.element);
}

// What is wrong with a specification, or with the memories' lengths in bytes, as a few words; nullptr where it is safe.
const char* SpecFault(const ImageSpec& spec, size_t pixels, size_t room);

}  // namespace penstock
