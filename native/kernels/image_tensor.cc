#include "image_tensor.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "resample.h"

namespace penstock {
namespace {

// Pixels that are brought into the tensor's order at a time: they stay in the first cache.
constexpr size_t kSomePixels = 1024;

// Brings packed rows of pixels into the tensor.
class TensorWriter {
 public:
  TensorWriter(const ImageSpec& spec, int channels, uint8_t* target, const PixelLanes& lanes)
      : spec_(spec),
        source_channels_(channels),
        channels_(static_cast<size_t>(TensorChannels(spec))),
        size_(ElementSize(spec.element)),
        target_(target),
        lanes_(lanes) {
    as_it_is_ = spec.element == Element::kUint8;
    for (size_t c = 0; c < channels_; ++c) as_it_is_ = as_it_is_ && spec.scale[c] == 1 && spec.shift[c] == 0;
    for (size_t i = 0; i < kAffinePeriod; ++i) {
      for (size_t c = 0; c < 3; ++c) {
        planar_[c].scale[i] = spec.scale[c];
        planar_[c].shift[i] = spec.shift[c];
      }
      mixed_.scale[i] = spec.scale[i % channels_];
      mixed_.shift[i] = spec.shift[i % channels_];
    }
  }

  // `count` pixels from (left, top) of the window on.
  void Write(const uint8_t* row, size_t left, size_t top, size_t count) {
    const size_t x = static_cast<size_t>(spec_.at_left) + left;
    const size_t y = static_cast<size_t>(spec_.at_top) + top;
    for (size_t done = 0; done < count; done += kSomePixels) {
      const uint8_t* pixels = row + done * static_cast<size_t>(source_channels_);
      const size_t some = std::min(kSomePixels, count - done);
      if (spec_.layout == Layout::kNchw) {
        WritePlanes(pixels, x + done, y, some);
      } else {
        WriteMixed(pixels, x + done, y, some);
      }
    }
  }

  // Everything around the window.
  void Pad() {
    const auto width = static_cast<size_t>(spec_.tensor_width);
    const auto left = static_cast<size_t>(spec_.at_left);
    const size_t right = left + static_cast<size_t>(spec_.crop_width);
    if (right - left == width && spec_.crop_height == spec_.tensor_height) return;
    const bool planes = spec_.layout == Layout::kNchw;
    for (size_t plane = 0; plane < (planes ? channels_ : 1); ++plane) {
      const std::vector<uint8_t> row = PaddingRow(planes ? 1 : channels_, plane);
      const size_t pixel = row.size() / width;
      for (int32_t y = 0; y < spec_.tensor_height; ++y) {
        uint8_t* to = planes ? At(plane, static_cast<size_t>(y), 0) : At(0, static_cast<size_t>(y), 0);
        const bool beside = y >= spec_.at_top && y < spec_.at_top + spec_.crop_height;
        std::memcpy(to, row.data(), (beside ? left : width) * pixel);
        if (beside) std::memcpy(to + right * pixel, row.data(), (width - right) * pixel);
      }
    }
  }

 private:
  uint8_t* At(size_t plane, size_t y, size_t x) {
    const auto width = static_cast<size_t>(spec_.tensor_width);
    if (spec_.layout == Layout::kNhwc) return target_ + (y * width + x) * channels_ * size_;
    return target_ + ((plane * static_cast<size_t>(spec_.tensor_height) + y) * width + x) * size_;
  }

  void Affinely(const uint8_t* source, size_t count, const Affine& affine, uint8_t* to) {
    if (as_it_is_) {
      std::memcpy(to, source, count);
      return;
    }
    lanes_.affine[static_cast<size_t>(spec_.element)](source, count, affine, to);
  }

  void WritePlanes(const uint8_t* pixels, size_t x, size_t y, size_t count) {
    if (source_channels_ == 1) {
      for (size_t c = 0; c < channels_; ++c) Affinely(pixels, count, planar_[c], At(c, y, x));
      return;
    }
    // By channel of the source: where it goes, and its numbers there.
    const bool reversed = spec_.colour == Colour::kBgr;
    const Affine* affine[3];
    uint8_t* targets[3];
    for (size_t c = 0; c < 3; ++c) {
      affine[c] = &planar_[reversed ? 2 - c : c];
      targets[c] = At(reversed ? 2 - c : c, y, x);
    }
    if (as_it_is_) {
      lanes_.split(pixels, count, targets[0], targets[1], targets[2]);
    } else {
      lanes_.planes[static_cast<size_t>(spec_.element)](pixels, count, affine, targets);
    }
  }

  void WriteMixed(const uint8_t* pixels, size_t x, size_t y, size_t count) {
    const uint8_t* mixed = pixels;
    if (channels_ == 3 && source_channels_ == 1) {
      for (size_t i = 0; i < 3 * count; ++i) scratch_[i] = pixels[i / 3];
      mixed = scratch_;
    } else if (spec_.colour == Colour::kBgr) {
      for (size_t i = 0; i < 3 * count; i += 3) {
        scratch_[i] = pixels[i + 2];
        scratch_[i + 1] = pixels[i + 1];
        scratch_[i + 2] = pixels[i];
      }
      mixed = scratch_;
    }
    Affinely(mixed, count * channels_, mixed_, At(0, y, x));
  }

  // A row of padding as wide as the tensor: of one plane, or of all channels in turn.
  std::vector<uint8_t> PaddingRow(size_t channels, size_t plane) {
    const size_t width = static_cast<size_t>(spec_.tensor_width) * channels;
    std::vector<uint8_t> row(width * size_);
    // The value of pixel 0 shifted by what the padding is worth: padding need not be a whole number.
    for (size_t c = 0; c < channels; ++c) {
      Affine constant = {};
      const size_t channel = plane + c;
      constant.shift[0] = spec_.pad * spec_.scale[channel] + spec_.shift[channel];
      const uint8_t nothing = 0;
      lanes_.affine[static_cast<size_t>(spec_.element)](&nothing, 1, constant, row.data() + c * size_);
    }
    for (size_t i = channels; i < width; ++i) {
      std::memcpy(row.data() + i * size_, row.data() + (i - channels) * size_, size_);
    }
    return row;
  }

  const ImageSpec& spec_;
  int source_channels_;
  size_t channels_;
  size_t size_;
  uint8_t* target_;
  const PixelLanes& lanes_;
  // Bytes stay bytes.
  bool as_it_is_;
  Affine planar_[3];
  Affine mixed_;
  uint8_t scratch_[3 * kSomePixels];
};

}  // namespace

void ImageToTensor(const ImageSpec& spec, const uint8_t* pixels, uint8_t* target, const PixelLanes& lanes) {
  SourceRows source(spec, pixels, lanes);
  const auto sampler = MakeSampler(spec, &source, lanes);
  TensorWriter writer(spec, source.channels(), target, lanes);
  writer.Pad();
  for (int32_t from = 0; from < spec.crop_width;) {
    const int32_t to = std::min(from + sampler->Columns(), spec.crop_width);
    sampler->Start(from, to);
    for (int32_t y = 0; y < spec.crop_height; ++y) {
      writer.Write(sampler->Row(y), static_cast<size_t>(from), static_cast<size_t>(y), static_cast<size_t>(to - from));
    }
    from = to;
  }
}

}  // namespace penstock
