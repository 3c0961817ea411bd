// The fuzzer's bytes as an image file, in memory of the exact size; and behind the beginnings of each format, so that
// the deeper readers are met at once. What is answered lies within its bounds, and is the same for the same bytes.

#include "../../kernels/image_header.h"

#include <string_view>

#include "fuzz.h"

namespace penstock::fuzz {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kBeginnings[] = {
    ""sv,
    // SOI and SOF0 of 5 x 4, one component.
    "\xFF\xD8\xFF\xC0\0\x0B\x08\0\x04\0\x05\x01\x01\x11\0"sv,
    // The same, and a scan: what comes is coded data.
    "\xFF\xD8\xFF\xC0\0\x0B\x08\0\x04\0\x05\x01\x01\x11\0\xFF\xDA\0\x08\x01\x01\0\0\x3F\0"sv,
    // An APP1 with an Exif prefix: its 64 bytes are the fuzzer's.
    "\xFF\xD8\xFF\xE1\0\x42"
    "Exif\0\0"sv,
    "\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\x05\0\0\0\x04\x08\x03\0\0\0\0\0\0\0"sv,
    "RIFF\0\x10\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0\x04\0\0\x03\0\0"sv,
    "RIFF\0\x10\0\0WEBPVP8X\x0A\0\0\0\x02\0\0\0\x04\0\0\x03\0\0"
    "ANMF\x20\0\0\0"sv,
    "RIFF\0\x10\0\0WEBPVP8 \0\x01\0\0"sv,
    // A lossless stream of 64 x 48, up to its transforms.
    "RIFF\0\x10\0\0WEBPVP8L\0\x01\0\0\x2F\x3F\xC0\x0B\0"sv,
};

bool Same(const ImageHeader& a, const ImageHeader& b) {
  return a.status == b.status && a.format == b.format && a.width == b.width && a.height == b.height &&
         a.channels == b.channels && a.bits == b.bits && a.colour == b.colour && a.frames == b.frames &&
         a.orientation == b.orientation && a.truncated == b.truncated && a.fault == b.fault &&
         a.fault_offset == b.fault_offset && a.fault_bound == b.fault_bound && a.coding == b.coding &&
         a.packed == b.packed && a.groups == b.groups;
}

void CheckSizes(const ImageHeader& header) {
  const bool jpeg = header.format == ImageFormat::kJpeg;
  const uint64_t most = jpeg ? 65535 : header.format == ImageFormat::kPng ? 0x7FFFFFFF : 1 << 24;
  REQUIRE(header.width >= 1 && header.width <= most && header.height >= 1 && header.height <= most);
  REQUIRE(header.channels >= 1 && header.channels <= 4 && (!jpeg || header.channels != 2));
  REQUIRE(header.bits >= 1 && header.bits <= 16 && header.frames >= 1);
  REQUIRE(header.orientation >= 1 && header.orientation <= 8);
  REQUIRE(header.fault == ImageFault::kNone && header.fault_offset == 0);
}

void Check(std::string_view beginning, const uint8_t* data, size_t size) {
  Exact file(beginning.size() + size);
  if (!beginning.empty()) std::memcpy(file.data(), beginning.data(), beginning.size());
  if (size > 0) std::memcpy(file.data() + beginning.size(), data, size);
  const ImageHeader header = ReadImageHeader(file.data(), file.size());
  REQUIRE(Same(header, ReadImageHeader(file.data(), file.size())));
  REQUIRE((header.status == ImageStatus::kUnknown) == (header.format == ImageFormat::kNone));
  REQUIRE((header.status == ImageStatus::kMalformed) == (header.fault != ImageFault::kNone));
  REQUIRE(header.fault_offset <= file.size() && header.packed <= file.size());
  REQUIRE(header.groups <= 65536 && (header.groups == 0 || header.coding == ImageCoding::kLossless));
  if (header.status == ImageStatus::kOk) CheckSizes(header);
}

}  // namespace
}  // namespace penstock::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const std::string_view beginning : penstock::fuzz::kBeginnings) penstock::fuzz::Check(beginning, data, size);
  return 0;
}
