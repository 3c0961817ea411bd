// JPEG (ITU-T T.81): from segment to segment by their lengths up to the first scan, and the end looked for from behind.
// Stricter than libjpeg in one thing: bytes between segments are refused, not searched for the next marker.

#include "image_reader.h"

namespace penstock {
namespace {

constexpr uint8_t kTem = 0x01;
constexpr uint8_t kRst0 = 0xD0;
constexpr uint8_t kSoi = 0xD8;
constexpr uint8_t kEoi = 0xD9;
constexpr uint8_t kSos = 0xDA;
constexpr uint8_t kApp1 = 0xE1;

// SOF0 to SOF15, without DHT, JPG and DAC, which lie among them.
bool IsFrameHeader(uint8_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

// Baseline, extended and progressive; by Huffman or arithmetic coding.
bool IsKnownCoding(uint8_t marker) {
  return marker == 0xC0 || marker == 0xC1 || marker == 0xC2 || marker == 0xC9 || marker == 0xCA;
}

bool HasNoLength(uint8_t marker) { return marker == kTem || (marker >= kRst0 && marker < kSoi); }

// The frame header whose length field is at `at`; `size` bytes, all there.
bool ReadFrameHeader(ImageBytes file, uint8_t marker, size_t at, size_t size, ImageHeader* header) {
  if (header->width != 0) return Refuse(header, ImageFault::kTwoHeaders, at);
  if (!IsKnownCoding(marker)) return Refuse(header, ImageFault::kCoding, at - 1);
  if (size < 8) return Refuse(header, ImageFault::kBadSegment, at);
  const uint32_t bits = file.data[at + 2];
  const uint32_t height = file.Big16(at + 3);
  const uint32_t width = file.Big16(at + 5);
  const uint32_t components = file.data[at + 7];
  if (bits != 8 && (bits != 12 || marker == 0xC0)) return Refuse(header, ImageFault::kBitDepth, at + 2);
  // A height of 0 would come later, by DNL: decoders do not have it.
  if (height == 0 || width == 0) return Refuse(header, ImageFault::kZeroSize, at + 3);
  if (components != 1 && components != 3 && components != 4) return Refuse(header, ImageFault::kComponents, at + 7);
  if (size != 8 + 3 * components) return Refuse(header, ImageFault::kBadSegment, at);
  for (size_t sampling = at + 9; sampling < at + size; sampling += 3) {
    const uint32_t across = file.data[sampling] >> 4;
    const uint32_t down = file.data[sampling] & 15;
    if (across < 1 || across > 4 || down < 1 || down > 4) return Refuse(header, ImageFault::kComponents, sampling);
  }
  header->width = width;
  header->height = height;
  header->bits = bits;
  header->channels = components;
  header->colour = components == 1 ? ImageColour::kGray : components == 3 ? ImageColour::kRgb : ImageColour::kCmyk;
  return true;
}

// Whether EOI stands at or behind `start`. The last one: it is nearly always at the end, and what cameras append has
// one of its own. Coded data cannot hold it.
bool EndsBehind(ImageBytes file, size_t start) {
  for (size_t at = file.length; at >= start + 2; --at) {
    if (file.data[at - 2] == 0xFF && file.data[at - 1] == kEoi) return true;
  }
  return false;
}

// The file ends in the middle of its segments: too early only where the size is not known yet.
bool EndsEarly(ImageBytes file, ImageHeader* header) {
  header->truncated = true;
  if (header->width == 0) Refuse(header, ImageFault::kCutOff, file.length);
  return false;
}

// The segment whose marker is at `*at`, and moves behind it. Returns whether there are more to be read.
bool ReadSegment(ImageBytes file, size_t* at, bool* exif, ImageHeader* header) {
  if (file.Has(*at, 1) && file.data[*at] != 0xFF) return Refuse(header, ImageFault::kBadMarker, *at);
  while (file.Has(*at, 1) && file.data[*at] == 0xFF) ++*at;
  if (!file.Has(*at, 1)) return EndsEarly(file, header);
  const uint8_t marker = file.data[*at];
  const size_t body = ++*at;
  if (HasNoLength(marker)) return true;
  if (marker == kEoi) return Refuse(header, ImageFault::kNoImage, body - 2);
  if (marker == 0 || marker == kSoi) return Refuse(header, ImageFault::kBadMarker, body - 1);
  if (!file.Has(body, 2)) return EndsEarly(file, header);
  const size_t size = file.Big16(body);
  if (size < 2) return Refuse(header, ImageFault::kBadSegment, body);
  if (!file.Has(body, size)) return EndsEarly(file, header);
  *at = body + size;
  if (IsFrameHeader(marker)) return ReadFrameHeader(file, marker, body, size, header);
  if (marker == kApp1 && !*exif && size >= 8 && file.Is(body + 2, "Exif\0", 6)) {
    *exif = true;
    header->orientation = ExifOrientation(file.Part(body + 2, size - 2));
  }
  if (marker != kSos) return true;
  if (header->width == 0) return Refuse(header, ImageFault::kNoImage, body - 2);
  header->truncated = !EndsBehind(file, *at);
  return false;
}

}  // namespace

void ReadJpegHeader(ImageBytes file, ImageHeader* header) {
  size_t at = 2;
  bool exif = false;
  while (ReadSegment(file, &at, &exif, header)) continue;
}

}  // namespace penstock
