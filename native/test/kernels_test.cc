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
#include "../kernels/json_lift.h"
#include "../kernels/number_text.h"
#include "../kernels/scores.h"
#include "../process/crash_marks.h"
#include "check.h"
#include "images_test.h"

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
  penstock::RanksScores();
  penstock::DetectsBoxes();
  penstock::BoundsCandidates();
  penstock::test::TestImages();
  penstock::MarksWhoFaulted();
  const auto& totals = penstock::test::Totals();
  std::printf("%d passed, %d failed\n", totals.passed, totals.failed);
  return totals.failed == 0 ? 0 : 1;
}
