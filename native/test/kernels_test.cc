// The kernels without Node: what sanitizers and fuzzers run. Ends with "N passed, N failed".

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "../kernels/bytes_tensor.h"
#include "../kernels/datatype.h"
#include "../kernels/detections.h"
#include "../kernels/half_float.h"
#include "../kernels/head_table.h"
#include "../kernels/image_header.h"
#include "../kernels/image_tensor.h"
#include "../kernels/json_lift.h"
#include "../kernels/number_text.h"
#include "../kernels/scores.h"
#include "../process/crash_marks.h"
#include "check.h"

namespace penstock {
namespace {

const uint8_t* Bytes(const std::string& text) { return reinterpret_cast<const uint8_t*>(text.data()); }

// One lift into memory of exactly the capacity given, so that a sanitizer sees every byte too many.
struct Run {
  Run(const std::string& text, int datatype, size_t capacity) : memory(capacity), skeleton(4096) {
    const std::vector<LiftInput> inputs = {{"x", datatype}};
    const LiftPlacement placement{memory.data(), capacity};
    const std::vector<uint8_t> body(text.begin(), text.end());
    status = lifter.Lift({body.data(), body.size(), &inputs, &placement, skeleton.data(), skeleton.size(), 100});
    rest.assign(reinterpret_cast<const char*>(skeleton.data()), lifter.skeleton_length());
  }

  Lifter lifter;
  std::vector<uint8_t> memory;
  std::vector<uint8_t> skeleton;
  LiftStatus status;
  std::string rest;
};

std::string Body(const std::string& type, const std::string& data) {
  return R"({"inputs":[{"name":"x","datatype":")" + type + R"(","data":)" + data + "}]}";
}

LiftStatus StatusOf(const std::string& type, int datatype, const std::string& data) {
  return Run(Body(type, data), datatype, 64).status;
}

template <typename T>
T At(const Run& run, size_t index) {
  T value;
  std::memcpy(&value, run.memory.data() + index * sizeof(T), sizeof(T));
  return value;
}

void LiftsNumbers() {
  const Run floats(Body("FP32", "[[1.5,-0],[1e-3,NaN]]"), kFp32, 16);
  CHECK(floats.status == LiftStatus::kOk);
  CHECK(floats.rest == Body("FP32", "[]"));
  CHECK(At<float>(floats, 0) == 1.5F && std::signbit(At<float>(floats, 1)) && At<float>(floats, 2) == 0.001F);
  CHECK(std::isnan(At<float>(floats, 3)));
  const Run integers(Body("INT64", "[-9223372036854775808,9223372036854775807,1e2]"), kInt64, 24);
  CHECK(integers.status == LiftStatus::kOk);
  CHECK(At<int64_t>(integers, 0) == std::numeric_limits<int64_t>::min());
  CHECK(At<int64_t>(integers, 1) == std::numeric_limits<int64_t>::max() && At<int64_t>(integers, 2) == 100);
  CHECK(At<uint64_t>(Run(Body("UINT64", "[18446744073709551615]"), kUint64, 8), 0) == ~uint64_t{0});
}

void LiftsOneNameInTwoForms() {
  const std::vector<LiftInput> inputs = {{"x", kFp32}, {"y", kInt8}, {"x", kBytes}};
  std::vector<uint8_t> memory(12);
  const std::vector<LiftPlacement> places = {{memory.data(), 4}, {memory.data() + 4, 1}, {memory.data() + 5, 7}};
  std::vector<uint8_t> skeleton(4096);
  struct Sent {
    const char* type;
    const char* data;
    int input;
  };
  for (const Sent& sent : {Sent{"FP32", "[1]", 0}, Sent{"BYTES", "[\"abc\"]", 2}, Sent{"INT8", "[1]", -1}}) {
    const std::string body = Body(sent.type, sent.data);
    Lifter lifter;
    const LiftRequest request{Bytes(body), body.size(), &inputs, places.data(), skeleton.data(), skeleton.size(), 100};
    CHECK(lifter.Lift(request) == LiftStatus::kOk);
    CHECK(lifter.inputs()[0].model_input == sent.input && lifter.inputs()[0].elements == 1);
  }
  CHECK(memory[2] == 0x80 && memory[3] == 0x3f && memory[5] == 3 && memory[9] == 'a' && memory[11] == 'c');
}

void RefusesElements() {
  CHECK(StatusOf("UINT8", kUint8, "[256]") == LiftStatus::kElementRange);
  CHECK(StatusOf("UINT8", kUint8, "[-1]") == LiftStatus::kElementRange);
  CHECK(StatusOf("INT8", kInt8, "[-129]") == LiftStatus::kElementRange);
  CHECK(StatusOf("INT32", kInt32, "[1.5]") == LiftStatus::kElementFraction);
  CHECK(StatusOf("INT32", kInt32, "[\"1\"]") == LiftStatus::kElementType);
  CHECK(StatusOf("UINT64", kUint64, "[18446744073709551616]") == LiftStatus::kElementRange);
  CHECK(StatusOf("FP32", kFp32, "[1e39]") == LiftStatus::kElementRange);
  CHECK(StatusOf("FP64", kFp64, "[1e400]") == LiftStatus::kElementRange);
  CHECK(StatusOf("FP64", kFp64, "[1e-400]") == LiftStatus::kOk);
  CHECK(StatusOf("FP16", kFp16, "[1]") == LiftStatus::kNoJsonForm);
  CHECK(StatusOf("BOOL", kBool, "[2]") == LiftStatus::kElementRange);
  CHECK(StatusOf("FP32", kFp32, "[[1],[2,3]]") == LiftStatus::kRagged);
  CHECK(StatusOf("FP32", kFp32, "[1,[2]]") == LiftStatus::kRagged);
  CHECK(StatusOf("FP32", kFp32, "[[],1]") == LiftStatus::kRagged);
  CHECK(StatusOf("FP32", kFp32, "[[[]],[1]]") == LiftStatus::kRagged);
  CHECK(StatusOf("FP32", kFp32, "[[],[]]") == LiftStatus::kOk);
  CHECK(StatusOf("FP32", kFp32, "[1,]") == LiftStatus::kSyntax);
}

void RefusesDocuments() {
  const auto status = [](const std::string& text) { return Run(text, kFp32, 64).status; };
  CHECK(status("") == LiftStatus::kSyntax);
  CHECK(status("{") == LiftStatus::kSyntax);
  CHECK(status("{}x") == LiftStatus::kSyntax);
  CHECK(status("\xEF\xBB\xBF{}") == LiftStatus::kSyntax);
  CHECK(status("{\"a\":01}") == LiftStatus::kSyntax);
  CHECK(status("{\"a\":1e400}") == LiftStatus::kBadNumber);
  CHECK(status("{\"a\":NaN}") == LiftStatus::kSyntax);
  CHECK(status("{\"a\":1,\"\\u0061\":2}") == LiftStatus::kDuplicateKey);
  CHECK(status("{\"a\":\"\\ud800\"}") == LiftStatus::kBadString);
  CHECK(status("{\"a\":\"\xC0\x80\"}") == LiftStatus::kBadString);
  CHECK(status(std::string(100, '[') + std::string(100, ']')) == LiftStatus::kOk);
  CHECK(status(std::string(101, '[') + std::string(101, ']')) == LiftStatus::kTooDeep);
  CHECK(status(std::string(250000, '[')) == LiftStatus::kTooDeep);
  CHECK(status("{\"a\":\"" + std::string(5000, 'x') + "\"}") == LiftStatus::kHeadTooLarge);
  std::string keys = "{";
  for (int i = 0; i < 300; ++i) keys += "\"k" + std::to_string(i) + "\":0,";
  CHECK(status(keys + "\"z\":0}") == LiftStatus::kOk);
  CHECK(status(keys + "\"k7\":0}") == LiftStatus::kDuplicateKey);
}

void CountsWhatDoesNotFit() {
  const Run run(Body("FP32", "[1,2,3]"), kFp32, 8);
  CHECK(run.status == LiftStatus::kNeedSpace);
  CHECK(run.lifter.inputs()[0].elements == 3 && run.lifter.inputs()[0].bytes == 12);
  const Run strings(Body("BYTES", "[\"a\\n\",\"\\u00e9\"]"), kBytes, 12);
  CHECK(strings.status == LiftStatus::kOk && strings.lifter.inputs()[0].bytes == 12);
  CHECK(std::memcmp(strings.memory.data(), "\2\0\0\0a\n\2\0\0\0\xC3\xA9", 12) == 0);
}

void LiftsDataBeforeItsName() {
  const Run run(R"({"id":"7","inputs":[{"data":[[1],[2]],"datatype":"FP32","name":"x"}]})", kFp32, 8);
  CHECK(run.status == LiftStatus::kOk && At<float>(run, 1) == 2);
  CHECK(run.rest == R"({"id":"","inputs":[{"data":[],"datatype":"FP32","name":"x"}]})");
  CHECK(run.lifter.id_length() == 3);
}

// Every prefix, and every byte replaced by each of the characters that matter, in memory of the exact size: a sanitizer
// sees any read or write beyond it.
void SurvivesDamage() {
  const std::string whole =
      R"({"id":"\ud83d\ude00","inputs":[{"data":[[1e2,-0.5],[null,12345678.9]],"name":"x","datatype":"FP32"}],"a":{"b":[]}})";
  CHECK(Run(whole, kFp32, 16).status == LiftStatus::kOk);
  int wrong = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    wrong += Run(whole.substr(0, i), kFp32, 16).status == LiftStatus::kOk;
    for (const char c : std::string("[]{}\",:\\u0e-.n\x80 \xFF", 17)) {
      std::string damaged = whole;
      damaged[i] = c;
      wrong += Run(damaged, kFp32, 12).lifter.skeleton_length() > damaged.size();
    }
  }
  CHECK(wrong == 0);
}

// Decimal texts of every length: what the quick way takes must be what strtod reads, and long arrays what short ones
// are.
void ReadsPlainNumbers() {
  uint64_t state = 1;
  const auto next = [&state](uint64_t below) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % below;
  };
  int wrong = 0;
  int taken = 0;
  std::string data = "[";
  std::vector<double> expected;
  for (int i = 0; i < 20000; ++i) {
    std::string text = next(3) == 0 ? "-" : "";
    const uint64_t whole = next(10);
    text += whole < 4 ? std::string("0") : std::to_string(1 + next(9));
    for (uint64_t digit = 5; digit < whole; ++digit) text += static_cast<char>('0' + next(10));
    const uint64_t fraction = next(18);
    if (fraction > 0) text += '.';
    for (uint64_t digit = 0; digit < fraction; ++digit) text += static_cast<char>('0' + next(digit % 5 == 0 ? 2 : 10));
    if (next(20) == 0) text += "e-3";
    expected.push_back(std::strtod(text.c_str(), nullptr));
    data += (i == 0 ? "" : next(3) == 0 ? ", " : ",") + text;
    double value = 0;
    const std::string padded = text + std::string(kPlainReach, ',');
    const uint8_t* end = PlainNumber(Bytes(padded), &value);
    if (end == nullptr) continue;
    ++taken;
    wrong += end != Bytes(padded) + text.size() || std::memcmp(&value, &expected.back(), sizeof(value)) != 0;
  }
  CHECK(wrong == 0 && taken > 10000);
  const Run doubles(Body("FP64", data + "]"), kFp64, 20000 * 8);
  CHECK(doubles.status == LiftStatus::kOk);
  CHECK(std::memcmp(doubles.memory.data(), expected.data(), 20000 * 8) == 0);
  const Run floats(Body("FP32", data + "]"), kFp32, 20000 * 4);
  for (size_t i = 0; i < expected.size(); ++i) wrong += At<float>(floats, i) != static_cast<float>(expected[i]);
  CHECK(floats.status == LiftStatus::kOk && wrong == 0);
  // The grammar stays ScanNumber's: what a plain number must not swallow.
  for (const char* text : {"01", "1.", "-", "1.2.3", "1a", "+1"}) {
    const std::string data = std::string("[1,") + text + ",1234567890123456789,1234567890123456789]";
    CHECK(StatusOf("FP32", kFp32, data) == LiftStatus::kSyntax);
  }
}

void PrintsNumbers() {
  const float values[] = {0.1F, 1e-5F, -0.0F, std::numeric_limits<float>::infinity(), 3.4028235e38F};
  std::vector<uint8_t> out(5 * MaxPrinted(kFp32));
  const size_t length = PrintNumbers(kFp32, reinterpret_cast<const uint8_t*>(values), 5, out.data());
  CHECK(std::string(out.begin(), out.begin() + static_cast<ptrdiff_t>(length)) == "0.1,1e-05,-0,null,3.4028235e+38");
}

void RemembersHeads() {
  HeadTable table(4, 1);
  for (int i = 0; i < 100; ++i) {
    const std::string head = "head number " + std::to_string(i);
    const int32_t evicted = table.Remember(Bytes(head), head.size(), i);
    CHECK(evicted == -1 || (evicted >= 0 && evicted < i));
    CHECK(table.Match(Bytes(head), head.size()) == i);
  }
  int kept = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string head = "head number " + std::to_string(i);
    kept += table.Match(Bytes(head), head.size()) == i;
  }
  CHECK(kept == 4);
  const std::string large(kMaxHeadBytes + 1, 'x');
  CHECK(table.Remember(Bytes(large), large.size(), 7) == 7 && table.Match(Bytes(large), large.size()) == -1);
}

void SplitsAndJoins() {
  const std::string good("\1\0\0\0a\0\0\0\0", 9);
  uint32_t offsets[4];
  CHECK(SplitBytes(Bytes(good), good.size(), 2, offsets, true) == -1 && offsets[1] == 1 && offsets[3] == 0);
  uint8_t joined[9];
  CHECK(JoinBytes(Bytes(good), offsets, 2, joined, 9) == 9 && std::memcmp(joined, good.data(), 9) == 0);
  CHECK(JoinBytes(Bytes(good), offsets, 2, joined, 8) == -1);
  CHECK(SplitBytes(Bytes(good), good.size(), 1, offsets, true) == 1);
  const std::string lying("\xFF\xFF\xFF\xFFz", 5);
  CHECK(SplitBytes(Bytes(lying), lying.size(), 1, offsets, false) == 0);
  const std::string nul("\1\0\0\0\0", 5);
  CHECK(SplitBytes(Bytes(nul), nul.size(), 1, offsets, true) == kTextFault);
}

void ConvertsEveryHalf() {
  int wrong = 0;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    float wide;
    uint16_t back;
    Fp16ToFp32(reinterpret_cast<const uint8_t*>(&half), reinterpret_cast<uint8_t*>(&wide), 1);
    Fp32ToFp16(reinterpret_cast<const uint8_t*>(&wide), reinterpret_cast<uint8_t*>(&back), 1);
    wrong += std::isnan(wide) ? (back & 0x7C00) != 0x7C00 : back != half;
    Bf16ToFp32(reinterpret_cast<const uint8_t*>(&half), reinterpret_cast<uint8_t*>(&wide), 1);
    Fp32ToBf16(reinterpret_cast<const uint8_t*>(&wide), reinterpret_cast<uint8_t*>(&back), 1);
    wrong += !std::isnan(wide) && back != half;
  }
  CHECK(wrong == 0);
}

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
  CHECK(HeaderOf(start + std::string(100'000, '\xFF')).fault == ImageFault::kFiller);
  CHECK(HeaderOf(start + scan + std::string(100'000, '\xFF')).fault == ImageFault::kFiller);
  const std::string png = Text("\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\x05\0\0\0\x04\x08\x02\0\0\x01....");
  CHECK(HeaderOf(png).coding == ImageCoding::kInterlaced);
  const std::string text = Text("\0\x04\0\0zTXt") + std::string(0x40000 + 4, 'a');
  CHECK(HeaderOf(png + text).fault == ImageFault::kCompressed);
  // A keyword without an end, and one whose end is the last byte.
  CHECK(HeaderOf(png + Text("\0\0\0\x02iTXtab....")).truncated);
  CHECK(HeaderOf(png + Text("\0\0\0\x02iTXta\0....")).truncated);
}

void RanksScores() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> row = {1, nan, 3, -1, 3};
  std::vector<uint32_t> best(5);
  TopK(row.data(), row.size(), best.size(), best.data());
  CHECK((best == std::vector<uint32_t>{2, 4, 0, 3, 1}));
  const std::vector<float> logits = {0, 0, 1e30F, -1e30F};
  std::vector<float> softmax(4);
  Softmax(logits.data(), softmax.data(), 2, 2);
  CHECK((softmax == std::vector<float>{0.5F, 0.5F, 1, 0}));
  Sigmoid(logits.data(), softmax.data(), 4);
  CHECK((softmax == std::vector<float>{0.5F, 0.5F, 1, 0}));
}

void DetectsBoxes() {
  // Two on one thing, one beside it; the letterbox has half the size and 10 rows of padding.
  const std::vector<float> head = {50, 30,    20, 20,  1,  0.5F, 0,  52, 30, 20,    20,
                                   1,  0.75F, 0,  150, 30, 20,   20, 1,  0,  0.625F};
  std::vector<float> rows(2 * kDetectionWidth);
  std::vector<Candidate> room;
  DetectionRequest request{head.data(), DetectionLayout::kYolo5, 3, 2, 0.25, 0.45, 2, false, 0.5, 0, 10, 310, 100,
                           rows.data()};
  CHECK(Detect(request, &room) == 2);
  CHECK((rows == std::vector<float>{84, 20, 124, 60, 0.75F, 0, 280, 20, 310, 60, 0.625F, 1}));
  request.most = 1;
  CHECK(Detect(request, &room) == 1);
  request.score_threshold = 0.75;
  CHECK(Detect(request, &room) == 0);
}

// More than twice the candidates that take part, each a little surer than the one before, all in one place.
void BoundsCandidates() {
  constexpr size_t kBoxes = 70'000;
  std::vector<float> head(5 * kBoxes, 10);
  for (size_t i = 0; i < kBoxes; ++i) head[4 * kBoxes + i] = 1 + static_cast<float>(i) / kBoxes;
  std::vector<float> rows(kMostDetections * kDetectionWidth);
  std::vector<Candidate> room;
  DetectionRequest request{
      head.data(), DetectionLayout::kYolo8, kBoxes, 1, 0.5, 0.45, kMostDetections, false, 1, 0, 0, 640, 640,
      rows.data()};
  CHECK(Detect(request, &room) == 1 && rows[4] == head.back());
  CHECK(room.size() == kMostCandidates && room.back().box == kBoxes - kMostCandidates);
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

// Runs `die` in a child process whose thread has claimed slot 1 of two, and gives what the slots say afterwards.
std::pair<uint32_t, uint32_t> MarksAfter(void (*die)()) {
  char path[] = "/tmp/penstock-marks-XXXXXX";
  const int file = mkstemp(path);
  unlink(path);
  CHECK(ftruncate(file, 4096) == 0);
  const pid_t child = fork();
  if (child == 0) {
    uint32_t* marks = MapCrashMarks(file, 2);
    if (marks == nullptr) _exit(1);
    ClaimCrashMark(1);
    marks[0] = 7;
    marks[1] = 9;
    die();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  // By a signal, or by the report of a sanitizer.
  CHECK(status != 0);
  uint32_t marks[2] = {};
  CHECK(pread(file, marks, sizeof marks, 0) == sizeof marks);
  close(file);
  return {marks[0], marks[1]};
}

void TouchForbiddenMemory() {
  void* page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *static_cast<volatile int*>(page) = 1;
}

void MarksWhoFaulted() {
  const auto own = std::pair<uint32_t, uint32_t>(7, 9 | kFaultBit);
  const auto nobody = std::pair<uint32_t, uint32_t>(7, 9);
  CHECK(MarksAfter(TouchForbiddenMemory) == own);
  CHECK(MarksAfter([] { std::abort(); }) == own);
  CHECK(MarksAfter([] { kill(getpid(), SIGSEGV); }) == nobody);
  CHECK(MarksAfter([] { kill(getpid(), SIGKILL); }) == nobody);
}

}  // namespace
}  // namespace penstock

int main() {
  penstock::LiftsNumbers();
  penstock::LiftsOneNameInTwoForms();
  penstock::RefusesElements();
  penstock::RefusesDocuments();
  penstock::CountsWhatDoesNotFit();
  penstock::LiftsDataBeforeItsName();
  penstock::SurvivesDamage();
  penstock::ReadsPlainNumbers();
  penstock::PrintsNumbers();
  penstock::RemembersHeads();
  penstock::SplitsAndJoins();
  penstock::ConvertsEveryHalf();
  penstock::ReadsImageHeaders();
  penstock::BoundsWhatImagesHaveBesidePixels();
  penstock::RanksScores();
  penstock::DetectsBoxes();
  penstock::BoundsCandidates();
  penstock::ResamplesAsPillow();
  penstock::PlacesPixels();
  penstock::RefusesImagesThatDoNotFit();
  penstock::MarksWhoFaulted();
  const auto& totals = penstock::test::Totals();
  std::printf("%d passed, %d failed\n", totals.passed, totals.failed);
  return totals.failed == 0 ? 0 : 1;
}
