// One decoded image becomes one row of a tensor: resampled, cropped, padded, in the tensor's colours, layout and
// datatype, in one walk over the window.
#pragma once

#include "image_spec.h"
#include "pixel_lanes.h"

namespace penstock {

// Writes TensorBytes(spec) bytes at `target`, which needs no alignment. The specification has no fault (SpecFault).
// Needs scratch memory of a few rows, at most a few megabytes, which it gives back.
void ImageToTensor(const ImageSpec& spec, const uint8_t* pixels, uint8_t* target, const PixelLanes& lanes);

}  // namespace penstock
