// What the readers of the three formats share: the bytes of a file, and how a fault is told. Offsets are checked by the
// caller with Has before anything is read.
#pragma once

#include <cstring>

#include "image_header.h"

namespace penstock {

struct ImageBytes {
  const uint8_t* data;
  size_t length;

  bool Has(size_t at, size_t count) const { return at <= length && count <= length - at; }
  bool Is(size_t at, const char* text, size_t count) const {
    return Has(at, count) && std::memcmp(data + at, text, count) == 0;
  }
  uint32_t Big16(size_t at) const { return static_cast<uint32_t>(data[at] << 8 | data[at + 1]); }
  uint32_t Big32(size_t at) const { return Big16(at) << 16 | Big16(at + 2); }
  uint32_t Little16(size_t at) const { return static_cast<uint32_t>(data[at] | data[at + 1] << 8); }
  uint32_t Little24(size_t at) const { return Little16(at) | static_cast<uint32_t>(data[at + 2]) << 16; }
  uint32_t Little32(size_t at) const { return Little16(at) | Little16(at + 2) << 16; }
  ImageBytes Part(size_t at, size_t count) const { return {data + at, count}; }
};

// Chunks of a PNG or WebP that are walked over: 10,000 frames with their alpha and pixels, or 128 MiB of pixels in
// chunks of 4 KiB. Stops a file of nothing but empty ones, of which every reader, the decoder too, looks at each.
constexpr size_t kMostChunks = 32'768;

// Says why the image is malformed; where it has more of something than `bound`, how much that is. Returns false, as
// readers do that cannot go on.
inline bool Refuse(ImageHeader* header, ImageFault fault, size_t offset, size_t bound = 0) {
  header->status = ImageStatus::kMalformed;
  header->fault = fault;
  header->fault_offset = offset;
  header->fault_bound = bound;
  return false;
}

// The orientation in a TIFF structure, with or without "Exif\0\0" before it; 1 where there is none.
uint32_t ExifOrientation(ImageBytes exif);

// Groups of prefix codes that a decoder of a VP8L stream makes, at most: `stream` begins with its transforms. Where
// those take more than `*budget` bytes, or are damaged, it is as many as a picture of that size can have. What was read
// is taken from the budget.
size_t MostGroups(ImageBytes stream, uint32_t width, uint32_t height, size_t* budget);

// Each fills what its format says. The caller has seen the signature and set `status` to ok.
void ReadJpegHeader(ImageBytes file, ImageHeader* header);
void ReadPngHeader(ImageBytes file, ImageHeader* header);
void ReadWebpHeader(ImageBytes file, ImageHeader* header);

}  // namespace penstock
