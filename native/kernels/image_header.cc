#include "image_header.h"

#include "image_reader.h"

namespace penstock {
namespace {

constexpr char kExifPrefix[] = "Exif\0";  // and a second NUL
constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kShort = 3;
constexpr uint32_t kLong = 4;
constexpr size_t kEntryBytes = 12;

// The numbers of a TIFF structure, in its own byte order.
struct Tiff {
  ImageBytes bytes;
  bool big;

  uint32_t Short(size_t at) const { return big ? bytes.Big16(at) : bytes.Little16(at); }
  uint32_t Long(size_t at) const { return big ? bytes.Big32(at) : bytes.Little32(at); }
};

ImageFormat FormatOf(ImageBytes file) {
  if (file.Is(0, "\xFF\xD8", 2)) return ImageFormat::kJpeg;
  if (file.Is(0, "\x89PNG", 4)) return ImageFormat::kPng;
  if (file.Is(0, "RIFF", 4) && file.Is(8, "WEBP", 4)) return ImageFormat::kWebp;
  return ImageFormat::kNone;
}

}  // namespace

uint32_t ExifOrientation(ImageBytes exif) {
  if (exif.Is(0, kExifPrefix, 6)) exif = exif.Part(6, exif.length - 6);
  const bool big = exif.Is(0, "MM\0*", 4);
  if (!exif.Has(0, 8) || (!big && !exif.Is(0, "II*\0", 4))) return 1;
  const Tiff tiff{exif, big};
  const size_t directory = tiff.Long(4);
  if (!exif.Has(directory, 2)) return 1;
  const uint32_t count = tiff.Short(directory);
  for (size_t i = 0, at = directory + 2; i < count && exif.Has(at, kEntryBytes); ++i, at += kEntryBytes) {
    if (tiff.Short(at) != kOrientationTag) continue;
    const uint32_t type = tiff.Short(at + 2);
    const uint32_t value = type == kLong ? tiff.Long(at + 8) : tiff.Short(at + 8);
    const bool sane = (type == kShort || type == kLong) && tiff.Long(at + 4) == 1 && value >= 1 && value <= 8;
    return sane ? value : 1;
  }
  return 1;
}

ImageHeader ReadImageHeader(const uint8_t* bytes, size_t length) {
  const ImageBytes file{bytes, length};
  ImageHeader header;
  header.format = FormatOf(file);
  if (header.format == ImageFormat::kNone) return header;
  header.status = ImageStatus::kOk;
  if (header.format == ImageFormat::kJpeg) ReadJpegHeader(file, &header);
  if (header.format == ImageFormat::kPng) ReadPngHeader(file, &header);
  if (header.format == ImageFormat::kWebp) ReadWebpHeader(file, &header);
  return header;
}

}  // namespace penstock
