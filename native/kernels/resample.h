// Rows of the resampled image, one after the other and only within the crop window: packed bytes, one or three a pixel.
// Pillow's two passes (across, then down, rounded to bytes between them; Pillow 13 may turn them round), or torch's
// single one in float32.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "image_spec.h"
#include "pixel_lanes.h"

namespace penstock {

// The source as it is resampled: alpha left out, gray where the tensor is gray (Pillow's convert before resize).
class SourceRows {
 public:
  SourceRows(const ImageSpec& spec, const uint8_t* pixels, const PixelLanes& lanes);

  // Bytes of a pixel given: 1 or 3.
  int channels() const { return channels_; }
  // Whether rows are the source's own memory, and stay; otherwise the next Row takes the place of the last.
  bool stays() const { return stays_; }
  // Columns [from, to) of row y.
  Span Row(int32_t y, int32_t from, int32_t to);

 private:
  const PixelLanes& lanes_;
  const uint8_t* pixels_;
  const uint8_t* end_;
  int32_t width_;
  int stride_;
  int channels_;
  bool stays_;
  std::vector<uint8_t> packed_;
};

// Works on columns [from, to) of the window at a time, so that the rows between the passes stay in cache and bounded.
class RowSampler {
 public:
  virtual ~RowSampler() = default;
  // Columns that one turn takes, at least 1.
  virtual int32_t Columns() const = 0;
  virtual void Start(int32_t from, int32_t to) = 0;
  // Row y of the window; called for ascending y. Valid until the next call.
  virtual const uint8_t* Row(int32_t y) = 0;
};

// The sampler that the specification, which has no fault, asks for.
std::unique_ptr<RowSampler> MakeSampler(const ImageSpec& spec, SourceRows* source, const PixelLanes& lanes);

}  // namespace penstock
