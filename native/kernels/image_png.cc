// PNG (W3C, third edition): from chunk to chunk by their lengths. Checksums are left to the decoder.

#include "image_reader.h"

namespace penstock {
namespace {

constexpr size_t kSignatureBytes = 8;
constexpr size_t kFrame = 12;  // length, type and checksum of a chunk
constexpr uint32_t kMost = 0x7FFFFFFF;

enum ColourType : uint32_t { kGray = 0, kRgb = 2, kPalette = 3, kGrayAlpha = 4, kRgba = 6 };

// What was seen on the way to IEND.
struct Seen {
  bool palette = false;
  bool data = false;
  // Another chunk behind the data, which lie in one piece.
  bool behind = false;
  bool exif = false;
  bool alpha = false;
  size_t chunks = 0;
};

bool IsDepthOf(uint32_t type, uint32_t bits) {
  if (bits == 8) return true;
  if (bits == 16) return type != kPalette;
  return (bits == 1 || bits == 2 || bits == 4) && (type == kGray || type == kPalette);
}

// IHDR, whose 13 bytes begin at `at`.
bool ReadIhdr(ImageBytes file, size_t at, uint32_t* type, ImageHeader* header) {
  const uint32_t width = file.Big32(at);
  const uint32_t height = file.Big32(at + 4);
  const uint32_t bits = file.data[at + 8];
  *type = file.data[at + 9];
  if (width == 0 || height == 0) return Refuse(header, ImageFault::kZeroSize, at);
  if (width > kMost || height > kMost) return Refuse(header, ImageFault::kTooLarge, at);
  if (*type > kRgba || *type == 1 || *type == 5) return Refuse(header, ImageFault::kMethod, at + 9);
  if (!IsDepthOf(*type, bits)) return Refuse(header, ImageFault::kBitDepth, at + 8);
  if (file.data[at + 10] != 0 || file.data[at + 11] != 0 || file.data[at + 12] > 1) {
    return Refuse(header, ImageFault::kMethod, at + 10);
  }
  const bool gray = *type == kGray || *type == kGrayAlpha;
  header->width = width;
  header->height = height;
  header->bits = bits;
  if (file.data[at + 12] == 1) header->coding = ImageCoding::kInterlaced;
  header->channels = gray ? 1 : 3;
  header->colour = *type == kPalette ? ImageColour::kPalette : gray ? ImageColour::kGray : ImageColour::kRgb;
  return true;
}

bool IsName(ImageBytes file, size_t at) {
  for (size_t i = 0; i < 4; ++i) {
    const uint8_t letter = file.data[at + i] | 0x20;
    if (letter < 'a' || letter > 'z') return false;
  }
  return true;
}

// Whether a tRNS of this size makes an alpha channel; decoders ignore others.
bool MakesAlpha(uint32_t type, const Seen& seen, size_t size) {
  if (seen.data) return false;
  if (type == kPalette) return seen.palette && size >= 1 && size <= 256;
  return (type == kGray && size == 2) || (type == kRgb && size == 6);
}

// The chunk behind IHDR whose length is at `at`; its `size` bytes are all there. Returns whether more are to be read.
bool ReadChunk(ImageBytes file, size_t at, size_t size, uint32_t type, Seen* seen, ImageHeader* header) {
  const size_t name = at + 4;
  const size_t body = at + 8;
  if (++seen->chunks > kMostChunks) return Refuse(header, ImageFault::kChunks, at, kMostChunks);
  if (file.Is(name, "IHDR", 4)) return Refuse(header, ImageFault::kTwoHeaders, at);
  if (file.Is(name, "PLTE", 4)) {
    if (size == 0 || size > 768 || size % 3 != 0) return Refuse(header, ImageFault::kBadChunk, at);
    seen->palette = true;
  } else if (file.Is(name, "IDAT", 4)) {
    if (type == kPalette && !seen->palette) return Refuse(header, ImageFault::kNoPalette, at);
    if (seen->behind) return Refuse(header, ImageFault::kBadChunk, at);
    seen->data = true;
  } else if (file.Is(name, "tRNS", 4)) {
    seen->alpha = seen->alpha || MakesAlpha(type, *seen, size);
  } else if (file.Is(name, "acTL", 4) && size == 8 && !seen->data) {
    const uint32_t frames = file.Big32(body);
    if (frames > 0 && frames <= kMost) header->frames = frames;
  } else if (file.Is(name, "eXIf", 4) && !seen->exif) {
    seen->exif = true;
    header->orientation = ExifOrientation(file.Part(body, size));
  } else if (file.Is(name, "IEND", 4)) {
    return seen->data ? false : Refuse(header, ImageFault::kNoImage, at);
  }
  seen->behind = seen->data && !file.Is(name, "IDAT", 4);
  return true;
}

void ReadChunks(ImageBytes file, size_t at, uint32_t type, ImageHeader* header) {
  Seen seen;
  seen.alpha = type == kGrayAlpha || type == kRgba;
  for (;;) {
    header->truncated = !file.Has(at, kFrame);
    if (header->truncated) break;
    const size_t size = file.Big32(at);
    if (size > kMost || !IsName(file, at + 4)) {
      Refuse(header, ImageFault::kBadChunk, at);
      break;
    }
    header->truncated = !file.Has(at, kFrame + size);
    if (header->truncated || !ReadChunk(file, at, size, type, &seen, header)) break;
    at += kFrame + size;
  }
  if (seen.alpha) ++header->channels;
}

}  // namespace

void ReadPngHeader(ImageBytes file, ImageHeader* header) {
  constexpr size_t kBody = kSignatureBytes + 8;
  constexpr char kSignature[] = "\x89PNG\r\n\x1A\n";
  const size_t known = file.length < kSignatureBytes ? file.length : kSignatureBytes;
  if (!file.Is(0, kSignature, known)) {
    Refuse(header, ImageFault::kSignature, 4);
    return;
  }
  if (!file.Has(0, kBody + 13 + 4)) {
    header->truncated = true;
    Refuse(header, ImageFault::kCutOff, file.length);
    return;
  }
  if (file.Big32(kSignatureBytes) != 13 || !file.Is(kSignatureBytes + 4, "IHDR", 4)) {
    Refuse(header, ImageFault::kBadChunk, kSignatureBytes);
    return;
  }
  uint32_t type = 0;
  if (ReadIhdr(file, kBody, &type, header)) ReadChunks(file, kBody + 13 + 4, type, header);
}

}  // namespace penstock
