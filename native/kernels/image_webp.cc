// WebP (RFC 9649): a lone VP8 or VP8L stream, or an extended file (VP8X) whose chunks are walked by their lengths.

#include <algorithm>

#include "image_reader.h"

namespace penstock {
namespace {

constexpr size_t kRiffBytes = 12;  // "RIFF", size, "WEBP"
constexpr size_t kChunkHead = 8;
constexpr size_t kExtendedBytes = 10;
constexpr size_t kAnmfBytes = 16;
constexpr uint32_t kMostRiff = 0xFFFFFFF6;
constexpr uint8_t kAnimationFlag = 0x02;
constexpr uint8_t kAlphaFlag = 0x10;
constexpr uint8_t kAlphaMethod = 0x03;
constexpr size_t kLosslessBytes = 5;
// Bytes of transforms that are read to find how many codes lie behind them: photographs of 12 megapixels have half of
// that. Bounds the time, 2 ms.
constexpr size_t kMostTransforms = 64 * 1024;

struct Size {
  uint32_t width = 0;
  uint32_t height = 0;
  bool alpha = false;
};

// A chunk: where it begins, and its content, of which `there` bytes are in the file.
struct Chunk {
  size_t at = 0;
  size_t body = 0;
  size_t size = 0;
  size_t there = 0;
};

// What was met on the way through the file.
struct Met {
  size_t chunks = 0;
  uint32_t pictures = 0;
  size_t budget = kMostTransforms;
};

// The chunk at `at` of what ends at `end`, by what the container says; the file may end before. Returns false where
// there is none, a broken one, or one too many.
bool FindChunk(ImageBytes file, size_t at, size_t end, Met* met, Chunk* chunk, ImageHeader* header) {
  if (end - at < kChunkHead) return false;
  if (!file.Has(at, kChunkHead)) {
    header->truncated = true;
    return false;
  }
  chunk->at = at;
  chunk->body = at + kChunkHead;
  chunk->size = file.Little32(at + 4);
  if (chunk->size > end - chunk->body) return Refuse(header, ImageFault::kBadChunk, at);
  if (++met->chunks > kMostChunks) return Refuse(header, ImageFault::kChunks, at, kMostChunks);
  chunk->there = file.Has(chunk->body, chunk->size) ? chunk->size : file.length - chunk->body;
  return true;
}

// Where the next chunk begins: sizes are padded to even ones.
size_t Behind(const Chunk& chunk, size_t end) {
  const size_t next = chunk.body + chunk.size + (chunk.size & 1);
  return next < end ? next : end;
}

bool IsStream(ImageBytes file, const Chunk& chunk) {
  return file.Is(chunk.at, "VP8 ", 4) || file.Is(chunk.at, "VP8L", 4);
}

// Whether it is alpha beside a lossy stream, coded without loss.
bool IsLosslessAlpha(ImageBytes file, const Chunk& chunk) {
  return file.Is(chunk.at, "ALPH", 4) && chunk.there > 0 && (file.data[chunk.body] & kAlphaMethod) != 0;
}

// A stream without loss of that size, whose transforms begin `skip` bytes into its chunk. Of an animation the first
// frame is decoded.
void TakeLossless(ImageBytes file, const Chunk& chunk, size_t skip, const Size& size, Met* met, ImageHeader* header) {
  header->coding = ImageCoding::kLossless;
  if (met->pictures > 0) return;
  const ImageBytes stream = file.Part(chunk.body + skip, chunk.there - skip);
  header->packed = std::max(header->packed, stream.length);
  header->groups = std::max(header->groups, MostGroups(stream, size.width, size.height, &met->budget));
}

// The header that a chunk must have: `count` bytes of it.
bool HasHeader(const Chunk& chunk, size_t count, ImageHeader* header) {
  if (chunk.size < count) return Refuse(header, ImageFault::kBadChunk, chunk.at);
  if (chunk.there >= count) return true;
  header->truncated = true;
  return Refuse(header, ImageFault::kCutOff, chunk.body + chunk.there);
}

// VP8 (RFC 6386, 9.1): a key frame that is shown, whose first partition lies inside the chunk.
bool ReadLossy(ImageBytes file, const Chunk& chunk, Size* size, ImageHeader* header) {
  if (!HasHeader(chunk, 10, header)) return false;
  const uint32_t tag = file.Little24(chunk.body);
  const bool shown_key = (tag & 1) == 0 && (tag >> 4 & 1) == 1 && (tag >> 1 & 7) <= 3;
  if (!shown_key || tag >> 5 >= chunk.size || !file.Is(chunk.body + 3, "\x9D\x01\x2A", 3)) {
    return Refuse(header, ImageFault::kBadFrameHeader, chunk.body);
  }
  // The highest two bits ask for scaling up, which no decoder does.
  *size = {file.Little16(chunk.body + 6) & 0x3FFF, file.Little16(chunk.body + 8) & 0x3FFF, false};
  const bool empty = size->width == 0 || size->height == 0;
  return empty ? Refuse(header, ImageFault::kZeroSize, chunk.body + 6) : true;
}

bool ReadLossless(ImageBytes file, const Chunk& chunk, Size* size, Met* met, ImageHeader* header) {
  if (!HasHeader(chunk, kLosslessBytes, header)) return false;
  const uint32_t packed = file.Little32(chunk.body + 1);
  if (file.data[chunk.body] != 0x2F || packed >> 29 != 0) {
    return Refuse(header, ImageFault::kBadFrameHeader, chunk.body);
  }
  *size = {(packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, (packed >> 28 & 1) == 1};
  TakeLossless(file, chunk, kLosslessBytes, *size, met, header);
  return true;
}

bool ReadStream(ImageBytes file, const Chunk& chunk, Size* size, Met* met, ImageHeader* header) {
  const bool lossless = file.Is(chunk.at, "VP8L", 4);
  return lossless ? ReadLossless(file, chunk, size, met, header) : ReadLossy(file, chunk, size, header);
}

void Take(const Size& size, ImageHeader* header) {
  header->width = size.width;
  header->height = size.height;
  header->channels = size.alpha ? 4 : 3;
}

// A frame of an animation: inside the canvas, and its stream of the size that it says.
bool ReadFrame(ImageBytes file, const Chunk& frame, Met* met, ImageHeader* header) {
  if (!HasHeader(frame, kAnmfBytes, header)) return false;
  const uint64_t x = uint64_t{2} * file.Little24(frame.body);
  const uint64_t y = uint64_t{2} * file.Little24(frame.body + 3);
  const uint32_t width = file.Little24(frame.body + 6) + 1;
  const uint32_t height = file.Little24(frame.body + 9) + 1;
  if (x + width > header->width || y + height > header->height) {
    return Refuse(header, ImageFault::kFrameOutside, frame.body);
  }
  // Decoders then show what lies around it as transparent.
  if (width < header->width || height < header->height) header->channels = 4;
  const size_t end = frame.body + frame.size;
  Chunk chunk;
  for (size_t at = frame.body + kAnmfBytes; FindChunk(file, at, end, met, &chunk, header); at = Behind(chunk, end)) {
    if (IsLosslessAlpha(file, chunk)) TakeLossless(file, chunk, 1, {width, height, true}, met, header);
    if (!IsStream(file, chunk)) continue;
    Size size;
    if (!ReadStream(file, chunk, &size, met, header)) return false;
    const bool agrees = size.width == width && size.height == height;
    return agrees ? true : Refuse(header, ImageFault::kSizesDisagree, chunk.body);
  }
  if (header->status != ImageStatus::kOk) return false;
  return header->truncated ? Refuse(header, ImageFault::kCutOff, file.length)
                           : Refuse(header, ImageFault::kNoImage, frame.at);
}

// The one stream of an extended file without animation.
bool ReadStill(ImageBytes file, const Chunk& chunk, Met* met, ImageHeader* header) {
  Size size;
  if (!ReadStream(file, chunk, &size, met, header)) return false;
  const bool agrees = size.width == header->width && size.height == header->height;
  return agrees ? true : Refuse(header, ImageFault::kSizesDisagree, chunk.body);
}

// VP8X, and what follows it up to `end`.
void ReadExtended(ImageBytes file, const Chunk& first, size_t end, Met* met, ImageHeader* header) {
  if (!HasHeader(first, kExtendedBytes, header)) return;
  const uint8_t flags = file.data[first.body];
  Take({file.Little24(first.body + 4) + 1, file.Little24(first.body + 7) + 1, (flags & kAlphaFlag) != 0}, header);
  if (uint64_t{header->width} * header->height > 0xFFFFFFFF) {
    Refuse(header, ImageFault::kTooLarge, first.body + 4);
    return;
  }
  const bool animated = (flags & kAnimationFlag) != 0;
  bool exif = false;
  Chunk chunk;
  for (size_t at = Behind(first, end); FindChunk(file, at, end, met, &chunk, header); at = Behind(chunk, end)) {
    if (animated ? file.Is(chunk.at, "ANMF", 4) : IsStream(file, chunk) && met->pictures == 0) {
      if (!(animated ? ReadFrame(file, chunk, met, header) : ReadStill(file, chunk, met, header))) return;
      ++met->pictures;
    } else if (IsLosslessAlpha(file, chunk)) {
      TakeLossless(file, chunk, 1, {header->width, header->height, true}, met, header);
    } else if (file.Is(chunk.at, "EXIF", 4) && !exif) {
      exif = true;
      header->orientation = ExifOrientation(file.Part(chunk.body, chunk.there));
    }
  }
  if (header->status != ImageStatus::kOk) return;
  if (met->pictures == 0) {
    Refuse(header, header->truncated ? ImageFault::kCutOff : ImageFault::kNoImage, file.length);
    return;
  }
  header->frames = met->pictures;
}

}  // namespace

void ReadWebpHeader(ImageBytes file, ImageHeader* header) {
  header->bits = 8;
  header->colour = ImageColour::kRgb;
  header->coding = ImageCoding::kLossy;
  const uint32_t riff = file.Little32(4);
  if (riff < kRiffBytes || riff > kMostRiff) {
    Refuse(header, ImageFault::kBadChunk, 4);
    return;
  }
  const size_t end = size_t{8} + riff;
  header->truncated = end > file.length;
  Met met;
  Chunk first;
  if (!FindChunk(file, kRiffBytes, end, &met, &first, header)) {
    if (header->status == ImageStatus::kOk) Refuse(header, ImageFault::kCutOff, file.length);
  } else if (file.Is(first.at, "VP8X", 4)) {
    ReadExtended(file, first, end, &met, header);
  } else if (Size size; !IsStream(file, first)) {
    Refuse(header, ImageFault::kBadChunk, first.at);
  } else if (ReadStream(file, first, &size, &met, header)) {
    Take(size, header);
  }
}

}  // namespace penstock
