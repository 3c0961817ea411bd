// What an encoded image says of itself, read before any decoder sees it: bombs are refused by their header. Any bytes
// may come: they are gone over once at most, all but a bounded part as fast as memory is read. Nothing is allocated.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock {

enum class ImageStatus : int32_t {
  kOk,
  kUnknown,    // neither JPEG, PNG nor WebP
  kMalformed,  // one of the three, but `fault` at `fault_offset`
};

enum class ImageFormat : int32_t { kNone, kJpeg, kPng, kWebp };

enum class ImageColour : int32_t {
  kGray,
  kRgb,  // YCbCr too
  kPalette,
  kCmyk,  // YCCK too
};

// What the decoder holds of the whole image besides the rows that come out.
enum class ImageCoding : int32_t {
  kRows,        // nothing: JPEG of one scan, PNG
  kScans,       // the coefficients: JPEG, progressive or with its components in scans of their own
  kInterlaced,  // the pixels: PNG
  kLossy,       // the pixels: WebP
  kLossless,    // the pixels, and a plane of ARGB: WebP, or its alpha
};

// Why an image is malformed: image-header.ts has the sentences.
enum class ImageFault : int32_t {
  kNone,
  kCutOff,          // it ends before its size is known
  kSignature,       // the first bytes of a PNG are damaged
  kZeroSize,        // width or height is 0
  kTooLarge,        // a size beyond what the format can hold
  kBadMarker,       // JPEG: no marker where one must be
  kBadSegment,      // JPEG: a segment whose length cannot be
  kCoding,          // JPEG: a coding process that decoders do not have (lossless, hierarchical)
  kComponents,      // JPEG: not 1, 3 or 4 components, or impossible sampling factors
  kBitDepth,        // a bit depth that the colour type cannot have
  kTwoHeaders,      // a second frame header
  kNoImage,         // it ends, as it should, without an image in it
  kBadChunk,        // PNG, WebP: a chunk that cannot be there, or of impossible length
  kMethod,          // PNG: unknown colour type, compression, filter or interlacing
  kNoPalette,       // PNG: palette colours without a palette
  kBadFrameHeader,  // WebP: the header of the VP8 or VP8L stream is damaged
  kSizesDisagree,   // WebP: the stream's size is not the one that the container announces
  kFrameOutside,    // WebP: a frame of an animation lies outside the canvas
  kScans,           // JPEG: more scans than any encoder writes, each of which costs as much as the whole picture
  kSegments,        // JPEG: too many of them
  kFill,            // JPEG: too many bytes of it
  kChunks,          // PNG, WebP: too many chunks
};

struct ImageHeader {
  ImageStatus status = ImageStatus::kUnknown;
  ImageFormat format = ImageFormat::kNone;
  // As encoded, before any turn by `orientation`.
  uint32_t width = 0;
  uint32_t height = 0;
  // As decoded: 1 gray, 2 gray and alpha, 3, 4 (alpha, or CMYK). A palette is 3 or 4; an
  // animation 4 as well where a frame leaves a part of the canvas free.
  uint32_t channels = 0;
  // Per sample, as stored: 1, 2, 4, 8, 12 or 16; of a palette's indices.
  uint32_t bits = 0;
  ImageColour colour = ImageColour::kGray;
  // Pictures one after the other: those an APNG announces, those found of an animated WebP; 1 otherwise.
  uint32_t frames = 1;
  // EXIF, 1..8; 1 where it is absent or damaged. Where there are two EXIF blocks the first counts.
  uint32_t orientation = 1;
  ImageCoding coding = ImageCoding::kRows;
  // The container tells that bytes are missing at the end: a JPEG without SOS or EOI, a PNG without IEND, a chunk or
  // RIFF length beyond the file. Bytes behind the end are allowed, as decoders do.
  bool truncated = false;
  // Bytes of the lossless stream of a WebP or of its first frame.
  size_t packed = 0;
  // Groups of prefix codes in it, at most: a decoder has tables for all of them at once.
  size_t groups = 0;
  ImageFault fault = ImageFault::kNone;
  size_t fault_offset = 0;
  // Where there is more of something than its bound: that.
  size_t fault_bound = 0;
};

ImageHeader ReadImageHeader(const uint8_t* bytes, size_t length);

}  // namespace penstock
