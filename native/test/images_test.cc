#include "images_test.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "../kernels/image_header.h"
#include "../kernels/image_tensor.h"
#include "../kernels/resample.h"
#include "check.h"

namespace penstock {
namespace {

ImageHeader HeaderOf(const std::string& text) {
  // Of exactly the size, so that a sanitizer sees every byte too many.
  const std::vector<uint8_t> file(text.begin(), text.end());
  return ReadImageHeader(file.data(), file.size());
}

// A literal with NUL bytes in it.
template <size_t N>
std::string Text(const char (&bytes)[N]) {
  return std::string(bytes, N - 1);
}

void ReadsImageHeaders() {
  const std::string frame = Text("\xFF\xC0\0\x0B\x08\0\x04\0\x05\x01\x01\x11\0");
  const std::string jpeg = Text("\xFF\xD8") + frame + Text("\xFF\xDA\0\x02") + "data" + Text("\xFF\xD9") + "more";
  const ImageHeader whole = HeaderOf(jpeg);
  CHECK(whole.status == ImageStatus::kOk && whole.format == ImageFormat::kJpeg && !whole.truncated);
  CHECK(whole.width == 5 && whole.height == 4 && whole.channels == 1 && whole.colour == ImageColour::kGray);
  CHECK(HeaderOf(jpeg.substr(0, jpeg.size() - 6)).truncated);
  const ImageHeader twice = HeaderOf(Text("\xFF\xD8") + frame + frame);
  CHECK(twice.fault == ImageFault::kTwoHeaders && twice.fault_offset == 17);
  const std::string png = Text("\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\x05\0\0\0\x04\x10\x06\0\0\0....");
  CHECK(HeaderOf(png).truncated && HeaderOf(png).channels == 4 && HeaderOf(png).bits == 16);
  CHECK(HeaderOf(png + Text("\x7F\xFF\xFF\xFFIDAT....")).truncated);
  CHECK(HeaderOf(png + Text("\xFF\xFF\xFF\xFFIDAT....")).fault == ImageFault::kBadChunk);
  const std::string webp = Text("RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2F\x04\xC0\0\x10\0");
  CHECK(HeaderOf(webp).width == 5 && HeaderOf(webp).height == 4 && HeaderOf(webp).channels == 4);
  CHECK(HeaderOf(webp.substr(0, 24)).fault == ImageFault::kCutOff && HeaderOf(webp.substr(0, 24)).truncated);
  CHECK(HeaderOf("GIF89a").status == ImageStatus::kUnknown && HeaderOf("").status == ImageStatus::kUnknown);
}

void BoundsWhatImagesHaveBesidePixels() {
  const std::string start = Text("\xFF\xD8\xFF\xC2\0\x0B\x08\0\x04\0\x05\x01\x01\x11\0");
  const std::string scan = Text("\xFF\xDA\0\x08\x01\x01\0\0\0\0\x01\xFF\0\xFF\xFF\0\xFF\xD7\x02");
  std::string scans;
  for (int i = 0; i < 32; ++i) scans += scan;
  const ImageHeader most = HeaderOf(start + scans + Text("\xFF\xFF\xD9"));
  CHECK(most.status == ImageStatus::kOk && !most.truncated && most.coding == ImageCoding::kScans);
  CHECK(HeaderOf(start + scans).truncated && HeaderOf(start + scans + "\xFF").truncated);
  CHECK(HeaderOf(start + scans + scan).fault == ImageFault::kScans);
  CHECK(HeaderOf(start + scan + start.substr(2)).fault == ImageFault::kTwoHeaders);
  const std::string fill(100'000, '\xFF');
  CHECK(HeaderOf(start + fill).fault == ImageFault::kFill);
  const ImageHeader filled = HeaderOf(start + scan + fill);
  CHECK(filled.fault == ImageFault::kFill && filled.fault_bound == 65'536);
  const std::string png = Text("\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\x05\0\0\0\x04\x08\x02\0\0\x01....");
  CHECK(HeaderOf(png).coding == ImageCoding::kInterlaced);
  const std::string data = Text("\0\0\0\0IDAT....");
  std::string chunks;
  for (int i = 0; i < 32'768; ++i) chunks += data;
  CHECK(HeaderOf(png + chunks).truncated && HeaderOf(png + chunks + data).fault == ImageFault::kChunks);
  const std::string text = Text("\0\0\0\0tEXt....");
  CHECK(HeaderOf(png + text + data + data + text).fault == ImageFault::kNone);
  CHECK(HeaderOf(png + data + text + data).fault == ImageFault::kBadChunk);
}

// Coded data of every length up to a few blocks, of bytes that all look like markers, up to a marker that cannot be
// there: it is noticed where it stands, and none before it.
void FindsMarkersInCodedData() {
  const std::string start = Text("\xFF\xD8\xFF\xC0\0\x0B\x08\0\x04\0\x05\x01\x01\x11\0\xFF\xDA\0\x02");
  const std::string pieces[] = {Text("\xFF\0"), Text("\xFF\xD0"), Text("\xFF\xD7"),
                                Text("\0"),     Text("\xD9"),     Text("\xFE")};
  uint32_t state = 1;
  int wrong = 0;
  for (size_t round = 0; round < 2'000; ++round) {
    std::string coded;
    while (coded.size() < round % 300) {
      state = state * 1664525 + 1013904223;
      coded += pieces[(state >> 16) % std::size(pieces)];
    }
    const std::string whole = start + coded;
    const ImageHeader met = HeaderOf(whole + Text("\xFF\xD8") + std::string(round % 200, 'x'));
    wrong += met.fault != ImageFault::kBadMarker || met.fault_offset != whole.size() + 1;
    const ImageHeader ended = HeaderOf(whole + Text("\xFF\xFF\xD9"));
    wrong += ended.status != ImageStatus::kOk || ended.truncated;
    wrong += !HeaderOf(whole).truncated || !HeaderOf(whole + "\xFF").truncated;
  }
  CHECK(wrong == 0);
}

// Bits of a VP8L stream, the lowest first.
struct Stream {
  Stream& Put(uint32_t value, int bits) {
    for (int i = 0; i < bits; ++i, ++count) {
      if (count % 8 == 0) bytes += '\0';
      bytes.back() = static_cast<char>(bytes.back() | (value >> i & 1) << count % 8);
    }
    return *this;
  }
  // The codes of an image, each of one value, behind its having no colour cache.
  Stream& PutCodes() { return Put(0, 1).Put(0b00010001000100010001, 20); }
  // Of 64 x 48 pixels.
  size_t Groups() const {
    const std::string chunk = Text("\x2F\x3F\xC0\x0B\0") + bytes;
    const auto size = static_cast<char>(chunk.size());
    return HeaderOf("RIFF" + std::string(1, static_cast<char>(size + 12)) + Text("\0\0\0WEBPVP8L") +
                    std::string(1, size) + Text("\0\0\0") + chunk)
        .groups;
  }

  std::string bytes;
  int count = 0;
};

void CountsGroupsOfCodes() {
  constexpr size_t kWorst = 16 * 12;
  CHECK(Stream().Put(0, 1).Put(0, 1).Put(0, 1).Groups() == 1);
  // A colour cache, and squares of 8.
  CHECK(Stream().Put(0, 1).Put(1, 1).Put(11, 4).Put(1, 1).Put(1, 3).Groups() == 8 * 6);
  // Transforms: predictor and cross-colour with an image each, subtract green without one.
  Stream three;
  three.Put(0b001, 3).Put(0, 3).PutCodes().Put(0b011, 3).Put(7, 3).PutCodes().Put(0b101, 3);
  CHECK(three.Put(0, 2).Put(1, 1).Put(1, 3).Groups() == 8 * 6);
  CHECK(Stream().Put(0b001, 3).Put(0, 3).PutCodes().Put(0, 2).Put(1, 1).Put(7, 3).Groups() == 1);
  // Two colours: eight pixels are one.
  CHECK(Stream().Put(0b111, 3).Put(1, 8).PutCodes().Put(0, 2).Put(1, 1).Put(0, 3).Groups() == 2 * 12);
  // The same transform twice, and an end in the middle of things.
  CHECK(Stream().Put(0b101, 3).Put(0b101, 3).Put(0, 3).Groups() == kWorst);
  CHECK(Stream().Put(0b001, 3).Put(0, 3).Groups() == kWorst && Stream().Groups() == kWorst);
}

// A ramp of 4x4 RGB pixels, and a specification that leaves it as it is.
std::vector<uint8_t> Ramp() {
  std::vector<uint8_t> pixels(48);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 5);
  return pixels;
}

ImageSpec RampSpec(int32_t width, int32_t height, Filter filter, bool antialias) {
  ImageSpec spec = {};
  spec.width = spec.height = 4;
  spec.channels = 3;
  spec.resized_width = spec.crop_width = spec.tensor_width = width;
  spec.resized_height = spec.crop_height = spec.tensor_height = height;
  spec.filter = filter;
  spec.antialias = antialias;
  spec.layout = Layout::kNhwc;
  spec.element = Element::kUint8;
  for (float& scale : spec.scale) scale = 1;
  return spec;
}

// The tensor by the plain loops and by the best, which must be equal.
std::vector<uint8_t> TensorOf(const ImageSpec& spec) {
  const std::vector<uint8_t> pixels = Ramp();
  CHECK(SpecFault(spec, pixels.size(), TensorBytes(spec)) == nullptr);
  std::vector<uint8_t> plain(TensorBytes(spec));
  std::vector<uint8_t> best(TensorBytes(spec));
  ImageToTensor(spec, pixels.data(), plain.data(), PlainLanes());
  ImageToTensor(spec, pixels.data(), best.data(), BestLanes());
  CHECK(plain == best);
  return best;
}

// Expected: Pillow 12.3.0, Image.resize. The other goldens are compared from TypeScript.
void ResamplesAsPillow() {
  using Pixels = std::vector<uint8_t>;
  CHECK(TensorOf(RampSpec(3, 2, Filter::kNearest, true)) ==
        (Pixels{60, 65, 70, 90, 95, 100, 105, 110, 115, 180, 185, 190, 210, 215, 220, 225, 230, 235}));
  CHECK(TensorOf(RampSpec(3, 2, Filter::kBilinear, true)) ==
        (Pixels{47, 52, 57, 66, 71, 76, 84, 89, 94, 141, 146, 151, 160, 165, 170, 178, 183, 188}));
  CHECK(TensorOf(RampSpec(5, 3, Filter::kBicubic, true)) ==
        (Pixels{11,  15,  20,  21,  26,  31,  34,  39,  44,  46,  51,  56,  57,  62,  67,
                89,  94,  99,  100, 105, 110, 113, 118, 123, 125, 130, 135, 136, 141, 146,
                168, 173, 178, 179, 184, 189, 192, 197, 202, 204, 209, 214, 215, 220, 225}));
  CHECK(TensorOf(RampSpec(3, 2, Filter::kLanczos3, true)) ==
        (Pixels{34, 39, 44, 55, 60, 65, 75, 80, 85, 150, 155, 160, 171, 176, 181, 191, 196, 201}));
  CHECK(TensorOf(RampSpec(3, 2, Filter::kArea, true)) ==
        (Pixels{30, 35, 40, 53, 58, 63, 75, 80, 85, 150, 155, 160, 173, 178, 183, 195, 200, 205}));
}

// Where the window is too wide for the rows between the passes it is taken in turns: the same as every column alone.
void ResamplesInTurns() {
  for (const bool antialias : {true, false}) {
    ImageSpec spec = RampSpec(antialias ? 200 : 3000, 3, antialias ? Filter::kLanczos3 : Filter::kBicubic, antialias);
    spec.width = 20;
    spec.height = 300;
    std::vector<uint8_t> pixels(20 * 300 * 3);
    for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * i / 7);
    SourceRows rows(spec, pixels.data(), PlainLanes());
    CHECK(MakeSampler(spec, &rows, PlainLanes())->Columns() < spec.crop_width);
    CHECK(SpecFault(spec, pixels.size(), TensorBytes(spec)) == nullptr);
    std::vector<uint8_t> plain(TensorBytes(spec));
    std::vector<uint8_t> best(TensorBytes(spec));
    ImageToTensor(spec, pixels.data(), plain.data(), PlainLanes());
    ImageToTensor(spec, pixels.data(), best.data(), BestLanes());
    CHECK(plain == best);
    ImageSpec column = spec;
    column.crop_width = column.tensor_width = 1;
    int wrong = 0;
    for (column.crop_left = 0; column.crop_left < spec.crop_width; ++column.crop_left) {
      std::vector<uint8_t> alone(TensorBytes(column));
      ImageToTensor(column, pixels.data(), alone.data(), BestLanes());
      for (size_t y = 0; y < 3; ++y) {
        const size_t at = (y * static_cast<size_t>(spec.crop_width) + static_cast<size_t>(column.crop_left)) * 3;
        wrong += std::memcmp(best.data() + at, alone.data() + 3 * y, 3) != 0;
      }
    }
    CHECK(wrong == 0);
  }
}

void PlacesPixels() {
  ImageSpec spec = RampSpec(4, 4, Filter::kNearest, true);
  CHECK(TensorOf(spec) == Ramp());
  spec.crop_left = 1;
  spec.crop_top = 2;
  spec.crop_width = spec.crop_height = spec.at_left = 1;
  spec.tensor_width = 3;
  spec.tensor_height = 1;
  spec.pad = 9;
  spec.colour = Colour::kBgr;
  // Pixel (1, 2) is the ramp's 27th to 29th byte.
  CHECK(TensorOf(spec) == (std::vector<uint8_t>{9, 9, 9, 145, 140, 135, 9, 9, 9}));
  spec.layout = Layout::kNchw;
  CHECK(TensorOf(spec) == (std::vector<uint8_t>{9, 145, 9, 9, 140, 9, 9, 135, 9}));
  spec.element = Element::kFp32;
  spec.scale[1] = 0.5F;
  spec.shift[1] = -1.25F;
  const std::vector<uint8_t> bytes = TensorOf(spec);
  float floats[9];
  std::memcpy(floats, bytes.data(), sizeof(floats));
  CHECK(floats[1] == 145 && floats[3] == 3.25F && floats[4] == 68.75F && floats[7] == 135);
}

void RefusesImagesThatDoNotFit() {
  const ImageSpec good = RampSpec(4, 4, Filter::kNearest, true);
  const auto refuses = [&good](auto change) {
    ImageSpec spec = good;
    change(&spec);
    return SpecFault(spec, 48, 48) != nullptr;
  };
  CHECK(SpecFault(good, 48, 48) == nullptr);
  CHECK(SpecFault(good, 47, 48) != nullptr && SpecFault(good, 49, 48) != nullptr);
  CHECK(SpecFault(good, 48, 47) != nullptr);
  CHECK(refuses([](ImageSpec* spec) { spec->channels = 0; }));
  CHECK(refuses([](ImageSpec* spec) { spec->crop_left = 1; }));
  CHECK(refuses([](ImageSpec* spec) { spec->crop_top = INT32_MAX; }));
  CHECK(refuses([](ImageSpec* spec) { spec->crop_width = -1; }));
  CHECK(refuses([](ImageSpec* spec) { spec->at_left = 1; }));
  CHECK(refuses([](ImageSpec* spec) { spec->tensor_width = kMaxImageSide; }));
  CHECK(refuses([](ImageSpec* spec) { spec->resized_width = kMaxResizedSide + 1; }));
  CHECK(refuses([](ImageSpec* spec) { spec->filter = static_cast<Filter>(5); }));
  CHECK(refuses([](ImageSpec* spec) { spec->scale[2] = std::numeric_limits<float>::infinity(); }));
  CHECK(refuses([](ImageSpec* spec) { spec->pad = std::numeric_limits<float>::quiet_NaN(); }));
}

}  // namespace

void test::TestImages() {
  ReadsImageHeaders();
  BoundsWhatImagesHaveBesidePixels();
  FindsMarkersInCodedData();
  CountsGroupsOfCodes();
  ResamplesAsPillow();
  PlacesPixels();
  ResamplesInTurns();
  RefusesImagesThatDoNotFit();
}

}  // namespace penstock
