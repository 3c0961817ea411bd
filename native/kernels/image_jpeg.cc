// JPEG (ITU-T T.81): from segment to segment by their lengths, and over the coded data of every scan, up to EOI.
// Stricter than libjpeg: bytes between segments are refused, not searched for the next marker, and scans, segments and
// fill have bounds.

#include <algorithm>

#include "image_reader.h"

namespace penstock {
namespace {

constexpr uint8_t kTem = 0x01;
constexpr uint8_t kRst0 = 0xD0;
constexpr uint8_t kSoi = 0xD8;
constexpr uint8_t kEoi = 0xD9;
constexpr uint8_t kSos = 0xDA;
constexpr uint8_t kApp1 = 0xE1;

// A progressive decoder goes over all blocks for every scan, though 60 bytes are enough for one. libjpeg writes 10 for
// colours.
constexpr size_t kMostScans = 32;
constexpr size_t kMostSegments = 10'000;
constexpr size_t kMostFill = 64 * 1024;
// Coded data: what a vector unit looks at, what is looked at together, and how far ahead memory is asked for.
using Lane = uint8_t __attribute__((vector_size(16)));
constexpr size_t kBlock = 64;
constexpr size_t kAhead = 4096;

// SOF0 to SOF15, without DHT, JPG and DAC, which lie among them.
bool IsFrameHeader(uint8_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

// Baseline, extended and progressive; by Huffman or arithmetic coding.
bool IsKnownCoding(uint8_t marker) {
  return marker == 0xC0 || marker == 0xC1 || marker == 0xC2 || marker == 0xC9 || marker == 0xCA;
}

bool IsProgressive(uint8_t marker) { return marker == 0xC2 || marker == 0xCA; }

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
  if (IsProgressive(marker)) header->coding = ImageCoding::kScans;
  header->colour = components == 1 ? ImageColour::kGray : components == 3 ? ImageColour::kRgb : ImageColour::kCmyk;
  return true;
}

// What was met on the way to EOI.
struct Met {
  bool exif = false;
  size_t scans = 0;
  size_t segments = 0;
  size_t fill = 0;
};

// The file ends in the middle of its segments: too early only where the size is not known yet.
bool EndsEarly(ImageBytes file, ImageHeader* header) {
  header->truncated = true;
  if (header->width == 0) Refuse(header, ImageFault::kCutOff, file.length);
  return false;
}

// Whether an FF and what follows it are a marker that ends a scan's coded data, or fill before one; FF 00 and RSTn
// belong to it. Of bytes, or of a lane of them.
template <typename T>
auto EndsCoded(T byte, T next) {
  return (byte == 0xFF) & (next != 0) & ((next & 0xF8) != kRst0);
}

// Whether that is so for one of kBytes; one more is there.
template <size_t kBytes>
bool HasMarker(const uint8_t* data) {
  Lane found = {};
  for (size_t i = 0; i < kBytes; i += sizeof(Lane)) {
    Lane bytes, next;
    std::memcpy(&bytes, data + i, sizeof(Lane));
    std::memcpy(&next, data + i + 1, sizeof(Lane));
    found |= reinterpret_cast<Lane>(EndsCoded(bytes, next));
  }
  uint64_t halves[2];
  std::memcpy(halves, &found, sizeof(Lane));
  return (halves[0] | halves[1]) != 0;
}

// The first byte from `at` on for which it is so; where there is none, less than two bytes are left behind it. Whatever
// the data are, they are gone over as fast as memory is read: there may be as much of them as a body may have.
size_t FindMarker(ImageBytes file, size_t at) {
  for (; file.Has(at, kBlock + 1) && !HasMarker<kBlock>(file.data + at); at += kBlock) {
    __builtin_prefetch(file.data + std::min(at + kAhead, file.length));
  }
  while (file.Has(at, sizeof(Lane) + 1) && !HasMarker<sizeof(Lane)>(file.data + at)) at += sizeof(Lane);
  while (file.Has(at, 2) && !EndsCoded(file.data[at], file.data[at + 1])) ++at;
  return at;
}

// Moves `*at` from the coded data of a scan to the next marker.
void SkipCoded(ImageBytes file, size_t* at, Met* met) {
  *at = FindMarker(file, *at);
  while (file.Has(*at, 2) && file.data[*at + 1] == 0xFF && ++met->fill <= kMostFill) *at = FindMarker(file, *at + 1);
  if (!file.Has(*at, 2)) *at = file.length;
}

// A scan whose length field is at `at`. Behind it lies its coded data.
bool ReadScan(ImageBytes file, size_t at, size_t size, Met* met, ImageHeader* header) {
  if (header->width == 0) return Refuse(header, ImageFault::kNoImage, at - 2);
  if (++met->scans > kMostScans) return Refuse(header, ImageFault::kScans, at - 2, kMostScans);
  // As libjpeg has it: the components of the first scan tell whether others follow.
  if (met->scans == 1 && size > 2 && file.data[at + 2] < header->channels) header->coding = ImageCoding::kScans;
  return true;
}

// The marker at `*at`, behind its fill; `*at` moves behind it. Returns false where there is none.
bool ReadMarker(ImageBytes file, size_t* at, uint8_t* marker, Met* met, ImageHeader* header) {
  if (file.Has(*at, 1) && file.data[*at] != 0xFF) return Refuse(header, ImageFault::kBadMarker, *at);
  const size_t start = *at;
  while (file.Has(*at, 1) && file.data[*at] == 0xFF) {
    if (met->fill + (*at - start) > kMostFill) return Refuse(header, ImageFault::kFill, *at, kMostFill);
    ++*at;
  }
  if (!file.Has(*at, 1)) return EndsEarly(file, header);
  met->fill += *at - start - 1;
  if (++met->segments > kMostSegments) return Refuse(header, ImageFault::kSegments, *at, kMostSegments);
  *marker = file.data[(*at)++];
  return true;
}

// The segment whose marker is at `*at`, and moves behind it. Returns whether there are more to be read.
bool ReadSegment(ImageBytes file, size_t* at, Met* met, ImageHeader* header) {
  uint8_t marker = 0;
  if (!ReadMarker(file, at, &marker, met, header)) return false;
  const size_t body = *at;
  if (HasNoLength(marker)) return true;
  if (marker == kEoi) return met->scans > 0 ? false : Refuse(header, ImageFault::kNoImage, body - 2);
  if (marker == 0 || marker == kSoi) return Refuse(header, ImageFault::kBadMarker, body - 1);
  if (!file.Has(body, 2)) return EndsEarly(file, header);
  const size_t size = file.Big16(body);
  if (size < 2) return Refuse(header, ImageFault::kBadSegment, body);
  if (!file.Has(body, size)) return EndsEarly(file, header);
  *at = body + size;
  if (IsFrameHeader(marker)) return ReadFrameHeader(file, marker, body, size, header);
  if (marker == kApp1 && !met->exif && size >= 8 && file.Is(body + 2, "Exif\0", 6)) {
    met->exif = true;
    header->orientation = ExifOrientation(file.Part(body + 2, size - 2));
  }
  if (marker != kSos) return true;
  if (!ReadScan(file, body, size, met, header)) return false;
  SkipCoded(file, at, met);
  return true;
}

}  // namespace

void ReadJpegHeader(ImageBytes file, ImageHeader* header) {
  size_t at = 2;
  Met met;
  while (ReadSegment(file, &at, &met, header)) continue;
}

}  // namespace penstock
