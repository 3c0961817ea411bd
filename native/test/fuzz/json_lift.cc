// Lifts a body (the fuzzer's bytes as they are) into counted, exact and too small memory: the outcome is the same each
// time, what it counts is what it needs, and the skeleton is a document of its own that lifts to itself.

#include "../../kernels/json_lift.h"

#include <algorithm>
#include <string>
#include <vector>

#include "../../kernels/bytes_tensor.h"
#include "../../kernels/datatype.h"
#include "fuzz.h"

namespace penstock::fuzz {
namespace {

// Shallow, so that bodies deeper than allowed are short.
constexpr uint32_t kDepth = 16;

// One input of each datatype, named after it.
std::vector<LiftInput> Model() {
  std::vector<LiftInput> inputs;
  for (int i = 0; i < kDatatypeCount; ++i) inputs.push_back({std::string(kDatatypes[i].name), i});
  return inputs;
}

const std::vector<LiftInput>& TheModel() {
  static const std::vector<LiftInput> model = Model();
  return model;
}

// A lift and all memory it was given.
struct Lifting {
  Lifting(const Exact& body, const std::vector<size_t>& capacities, size_t skeleton_capacity)
      : skeleton(skeleton_capacity) {
    for (const size_t capacity : capacities) {
      memory.emplace_back(capacity);
      placement.push_back({memory.back().data(), capacity});
    }
    status = lifter.Lift(
        {body.data(), body.size(), &TheModel(), placement.data(), skeleton.data(), skeleton.size(), kDepth});
  }

  bool whole() const { return status == LiftStatus::kOk || status == LiftStatus::kNeedSpace; }

  Lifter lifter;
  std::vector<Exact> memory;
  std::vector<LiftPlacement> placement;
  Exact skeleton;
  LiftStatus status;
};

bool SameFacts(const Lifting& a, const Lifting& b) {
  const auto& left = a.lifter.inputs();
  const auto& right = b.lifter.inputs();
  if (left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i) {
    if (left[i].model_input != right[i].model_input || left[i].elements != right[i].elements) return false;
    if (left[i].bytes != right[i].bytes) return false;
  }
  return a.lifter.error_offset() == b.lifter.error_offset() && a.lifter.error_input() == b.lifter.error_input() &&
         a.lifter.error_element() == b.lifter.error_element() && a.lifter.id_start() == b.lifter.id_start() &&
         a.lifter.id_length() == b.lifter.id_length() && a.lifter.skeleton_length() == b.lifter.skeleton_length() &&
         std::memcmp(a.skeleton.data(), b.skeleton.data(), a.lifter.skeleton_length()) == 0;
}

void CheckInput(const LiftedInput& input) {
  REQUIRE(input.model_input >= -1 && input.model_input < kDatatypeCount);
  if (input.elements < 0 || input.model_input < 0) {
    REQUIRE(input.bytes == 0);
    return;
  }
  const auto size = static_cast<int64_t>(kDatatypes[static_cast<size_t>(input.model_input)].size);
  REQUIRE(size == 0 ? input.bytes >= 4 * input.elements : input.bytes == size * input.elements);
}

void CheckFacts(const Exact& body, const Lifter& lifter) {
  REQUIRE(lifter.skeleton_length() <= body.size());
  REQUIRE(lifter.inputs().size() <= kMaxInputs);
  for (const LiftedInput& input : lifter.inputs()) CheckInput(input);
  if (lifter.id_start() < 0) return;
  const auto start = static_cast<size_t>(lifter.id_start());
  const auto length = static_cast<size_t>(lifter.id_length());
  REQUIRE(length >= 3 && start + length <= body.size());
  REQUIRE(body.data()[start] == '"' && body.data()[start + length - 1] == '"');
}

// Bytes that each input of the model takes; a model input named twice gets the larger of its two.
std::vector<size_t> Needed(const Lifter& lifter) {
  std::vector<size_t> bytes(kDatatypeCount, 0);
  for (const LiftedInput& input : lifter.inputs()) {
    if (input.model_input < 0) continue;
    size_t& most = bytes[static_cast<size_t>(input.model_input)];
    most = std::max(most, static_cast<size_t>(input.bytes));
  }
  return bytes;
}

// What lies in memory is what the datatype allows. Where two inputs wrote to one place, nothing can be said.
void CheckMemory(const Lifting& lifting) {
  const auto& inputs = lifting.lifter.inputs();
  for (const LiftedInput& input : inputs) {
    const auto feeds = [&](const LiftedInput& other) { return other.model_input == input.model_input; };
    if (input.model_input < 0 || std::count_if(inputs.begin(), inputs.end(), feeds) > 1) continue;
    const Exact& memory = lifting.memory[static_cast<size_t>(input.model_input)];
    if (input.model_input == kBool) {
      REQUIRE(std::all_of(memory.data(), memory.end(), [](uint8_t value) { return value <= 1; }));
    }
    if (input.model_input != kBytes || input.elements < 0) continue;
    const auto count = static_cast<size_t>(input.elements);
    std::vector<uint32_t> offsets(2 * count);
    REQUIRE(SplitBytes(memory.data(), memory.size(), count, offsets.data(), false) == -1);
    for (size_t i = 0; i < count; ++i) REQUIRE(IsUtf8(memory.data() + offsets[2 * i], offsets[2 * i + 1]));
  }
}

// The skeleton is a well-formed document without numbers, and nothing is left to be lifted from it.
void CheckSkeleton(const Lifting& lifting) {
  const size_t length = lifting.lifter.skeleton_length();
  const Exact text(lifting.skeleton.data(), length);
  const Lifting again(text, std::vector<size_t>(kDatatypeCount, 0), length);
  REQUIRE(again.status == LiftStatus::kOk);
  REQUIRE(text.Holds(again.skeleton.data(), again.lifter.skeleton_length()));
  REQUIRE(again.lifter.id_start() == -1);
  const auto& before = lifting.lifter.inputs();
  const auto& after = again.lifter.inputs();
  REQUIRE(before.size() == after.size());
  for (size_t i = 0; i < after.size(); ++i) {
    REQUIRE(after[i].model_input == before[i].model_input && after[i].bytes == 0);
    REQUIRE(after[i].elements == (before[i].elements < 0 ? -1 : 0));
  }
}

void CheckExactMemory(const Exact& body, const Lifting& counted) {
  std::vector<size_t> needed = Needed(counted.lifter);
  const size_t skeleton = counted.lifter.skeleton_length();
  const Lifting exact(body, needed, skeleton);
  REQUIRE(exact.status == LiftStatus::kOk && SameFacts(exact, counted));
  CheckMemory(exact);
  const Lifting twice(body, needed, skeleton);
  REQUIRE(twice.status == LiftStatus::kOk && SameFacts(twice, exact));
  for (size_t i = 0; i < needed.size(); ++i) REQUIRE(twice.memory[i].Holds(exact.memory[i].data(), needed[i]));
  const auto used = std::find_if(needed.begin(), needed.end(), [](size_t bytes) { return bytes > 0; });
  if (used != needed.end()) {
    --*used;
    const Lifting narrow(body, needed, skeleton);
    REQUIRE(narrow.status == LiftStatus::kNeedSpace && SameFacts(narrow, counted));
  }
  if (skeleton > 0) REQUIRE(Lifting(body, needed, skeleton - 1).status == LiftStatus::kHeadTooLarge);
}

// A document ends where its last bracket is.
void CheckCutOff(const Exact& body) {
  const auto space = [](uint8_t c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; };
  const uint8_t* first = std::find_if_not(body.data(), body.end(), space);
  if (first == body.end() || (*first != '{' && *first != '[')) return;
  size_t length = body.size();
  while (length > 0 && space(body.data()[length - 1])) --length;
  const Exact shorter(body.data(), length - 1);
  REQUIRE(!Lifting(shorter, std::vector<size_t>(kDatatypeCount, 0), body.size()).whole());
}

void Try(const uint8_t* data, size_t size) {
  const Exact body(data, size);
  const Lifting counted(body, std::vector<size_t>(kDatatypeCount, 0), size);
  REQUIRE(counted.lifter.error_offset() <= size);
  if (!counted.whole()) {
    const Lifting roomy(body, std::vector<size_t>(kDatatypeCount, 64), size);
    REQUIRE(roomy.status == counted.status && SameFacts(roomy, counted));
    return;
  }
  CheckFacts(body, counted.lifter);
  CheckExactMemory(body, counted);
  CheckSkeleton(counted);
  CheckCutOff(body);
}

}  // namespace
}  // namespace penstock::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::fuzz::Try(data, size);
  return 0;
}
