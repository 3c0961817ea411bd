// The fuzzer's bytes as one image's specification and pixels, in memory of the exact size: what does not fit is
// refused, what fits is written whole, within its memory, and alike by every version of the inner loops.

#include "../../kernels/image_tensor.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "fuzz.h"

namespace penstock::fuzz {
namespace {

// Longest side that is run, and most pixels of a source and a window: the time of one input stays short.
constexpr int32_t kMostSide = 8192;
constexpr int64_t kMostPixels = 24'576;

int32_t Word(Feed* feed) {
  uint32_t word = 0;
  for (int i = 0; i < 4; ++i) word = (word << 8) | feed->Byte();
  return static_cast<int32_t>(word);
}

// Mostly small and sensible; where the byte says so, any number at all.
int32_t Number(Feed* feed, int32_t least, int32_t most) {
  const uint8_t byte = feed->Byte();
  if (byte == 0xFF) return Word(feed);
  return least + byte % (most - least + 1);
}

float Fraction(Feed* feed) {
  const int32_t number = Number(feed, -60, 120);
  return number == INT32_MIN ? INFINITY : static_cast<float>(number) / 16;
}

ImageSpec SpecFrom(Feed* feed) {
  ImageSpec spec = {};
  spec.width = Number(feed, 1, 64);
  spec.height = Number(feed, 1, 64);
  spec.channels = Number(feed, 1, 4);
  spec.resized_width = Number(feed, 1, 80);
  spec.resized_height = Number(feed, 1, 80);
  spec.filter = static_cast<Filter>(Number(feed, 0, 4));
  spec.antialias = feed->Byte() % 4 != 0;
  spec.crop_left = Number(feed, 0, 20);
  spec.crop_top = Number(feed, 0, 20);
  spec.crop_width = Number(feed, 1, 80);
  spec.crop_height = Number(feed, 1, 80);
  spec.at_left = Number(feed, 0, 5);
  spec.at_top = Number(feed, 0, 5);
  spec.tensor_width = Number(feed, 1, 90);
  spec.tensor_height = Number(feed, 1, 90);
  spec.colour = static_cast<Colour>(Number(feed, 0, 2));
  spec.layout = static_cast<Layout>(Number(feed, 0, 1));
  spec.element = static_cast<Element>(Number(feed, 0, 2));
  for (int c = 0; c < 3; ++c) {
    spec.scale[c] = Fraction(feed);
    spec.shift[c] = Fraction(feed);
  }
  spec.pad = std::fabs(Fraction(feed)) * 30;
  return spec;
}

bool IsSmall(int32_t width, int32_t height) {
  return width >= 1 && width <= kMostSide && height >= 1 && height <= kMostSide &&
         static_cast<int64_t>(width) * height <= kMostPixels;
}

// Bytes of the source, or 0 where they are too many to make.
size_t SourceBytes(const ImageSpec& spec) {
  if (!IsSmall(spec.width, spec.height) || spec.channels < 1 || spec.channels > 4) return 0;
  return static_cast<size_t>(spec.width) * static_cast<size_t>(spec.height) * static_cast<size_t>(spec.channels);
}

enum class Stretch { kNone, kTall, kWide };

// Columns are taken in several turns where many rows lie between the passes of the antialiased filters, or where the
// window is very wide.
void Apply(Stretch stretch, ImageSpec* spec) {
  const auto times = [](int32_t factor, std::initializer_list<int32_t*> sides) {
    for (int32_t* side : sides) *side = *side > 0 && *side <= 90 ? *side * factor : *side;
  };
  if (stretch == Stretch::kTall) {
    times(5, {&spec->height});
    times(3, {&spec->resized_width, &spec->crop_width, &spec->tensor_width});
  } else if (stretch == Stretch::kWide) {
    times(64, {&spec->resized_width, &spec->crop_width, &spec->tensor_width});
    spec->crop_height = std::min(spec->crop_height, 4);
    spec->tensor_height = std::min(spec->tensor_height, 4);
  }
}

// Brings the window into the image and the tensor around the window, so that more than a few inputs are run.
void Fit(ImageSpec* spec) {
  const auto within = [](int32_t start, int32_t length, int32_t whole) {
    return std::clamp(length, 1, std::max(1, whole - std::clamp(start, 0, whole - 1)));
  };
  if (spec->resized_width < 1 || spec->resized_height < 1) return;
  spec->crop_left = std::clamp(spec->crop_left, 0, spec->resized_width - 1);
  spec->crop_top = std::clamp(spec->crop_top, 0, spec->resized_height - 1);
  spec->crop_width = within(spec->crop_left, spec->crop_width, spec->resized_width);
  spec->crop_height = within(spec->crop_top, spec->crop_height, spec->resized_height);
  if (spec->at_left < 0 || spec->at_top < 0 || spec->at_left > kMostSide || spec->at_top > kMostSide) return;
  if (!IsSmall(spec->crop_width, spec->crop_height)) return;
  spec->tensor_width = std::max(spec->tensor_width, spec->at_left + spec->crop_width);
  spec->tensor_height = std::max(spec->tensor_height, spec->at_top + spec->crop_height);
}

void Check(const ImageSpec& spec, Feed* feed) {
  const size_t bytes = SourceBytes(spec);
  if (bytes == 0 || SpecFault(spec, bytes, SIZE_MAX) != nullptr) return;
  // A tensor that is far larger than its window is only padding.
  if (!IsSmall(spec.crop_width, spec.crop_height)) return;
  if (int64_t{spec.tensor_width} * spec.tensor_height > 4 * kMostPixels) return;
  const size_t room = TensorBytes(spec);
  REQUIRE(SpecFault(spec, bytes, room) == nullptr);
  REQUIRE(SpecFault(spec, bytes, room - 1) != nullptr);
  REQUIRE(SpecFault(spec, bytes - 1, room) != nullptr && SpecFault(spec, bytes + 1, room) != nullptr);
  Exact pixels(bytes);
  for (size_t i = 0; i < bytes; ++i) pixels.data()[i] = static_cast<uint8_t>(feed->Byte() + i * 37);
  Exact plain(room);
  Exact best(room);
  std::memset(best.data(), 0x5A, room);
  ImageToTensor(spec, pixels.data(), plain.data(), PlainLanes());
  ImageToTensor(spec, pixels.data(), best.data(), BestLanes());
  REQUIRE(plain.Holds(best.data(), room));
}

}  // namespace
}  // namespace penstock::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::fuzz;
  if (size == 0) return 0;
  Feed feed(data + 1, size - 1);
  penstock::ImageSpec spec = SpecFrom(&feed);
  Apply(static_cast<Stretch>(data[0] / 4 % 4), &spec);
  if (data[0] % 4 != 0) Fit(&spec);
  Check(spec, &feed);
  return 0;
}
