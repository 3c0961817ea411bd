// One pass over a request's JSON: validates it, lifts the numbers of `inputs[i].data` into memory, and leaves the rest
// as the skeleton. The contract, status by status, is `lift` in src/native/binding.ts. No recursion on client data.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "number_text.h"
#include "utf8.h"

namespace penstock {

enum class LiftStatus : int {
  kOk = 0,
  kNeedSpace = 1,
  kSyntax = 2,
  kBadString = 3,
  kTooDeep = 4,
  kDuplicateKey = 5,
  kBadNumber = 6,
  kHeadTooLarge = 7,
  kTooManyInputs = 8,
  kElementType = 9,
  kElementFraction = 10,
  kElementRange = 11,
  kRagged = 12,
  kNoJsonForm = 13,
  kTooManyValues = 14,
};

inline constexpr uint32_t kMaxInputs = 1024;
// Values outside `data`: a megabyte of `{},` takes a parser a quarter of a second, and costs its sender nothing.
inline constexpr uint32_t kMaxValues = 16384;
inline constexpr uint32_t kMaxDepth = 128;

struct LiftInput {
  std::string name;
  int datatype;
};

struct LiftPlacement {
  uint8_t* target;
  size_t capacity;
};

struct LiftRequest {
  const uint8_t* body;
  size_t length;
  const std::vector<LiftInput>* inputs;  // the model's
  const LiftPlacement* placement;        // one per model input
  uint8_t* skeleton;
  size_t skeleton_capacity;
  uint32_t max_depth;
};

struct LiftedInput {
  int32_t model_input = -1;
  int64_t elements = -1;
  int64_t bytes = 0;
};

// Reusable between calls, by one thread at a time: its lists keep their memory.
class Lifter {
 public:
  LiftStatus Lift(const LiftRequest& request);

  // What was found; valid until the next Lift.
  size_t error_offset() const { return error_offset_; }
  int64_t error_input() const { return error_input_; }
  int64_t error_element() const { return error_element_; }
  size_t skeleton_length() const { return skeleton_length_; }
  int64_t id_start() const { return id_start_; }
  int64_t id_length() const { return id_length_; }
  const std::vector<LiftedInput>& inputs() const { return lifted_; }

 private:
  enum class Kind : uint8_t { kObject, kArray };
  enum class Role : uint8_t { kOther, kRoot, kInputs, kMember };
  enum class KeyName : uint8_t { kOther, kId, kInputs, kName, kDatatype, kData };

  struct Frame {
    Kind kind;
    Role role;
    KeyName key;         // of the member being read
    uint32_t first_key;  // in keys_
  };
  struct Key {
    uint64_t hash;
    StringToken text;
  };
  // One inputs[i] while it is read: data that comes before its name or datatype waits for the end of the member.
  struct Member {
    int32_t model_input = -1;
    int32_t named = -1;
    bool has_name = false;
    bool has_datatype = false;
    bool floating = false;
    StringToken name;
    StringToken datatype;
    const uint8_t* deferred = nullptr;
  };

  void Start(const LiftRequest& request);
  bool Document();
  bool Value();
  bool Open(Kind kind);
  bool Close();
  bool AfterValue(bool* done);
  bool ObjectKey();
  bool String();
  bool Number();
  bool Literal();
  bool BeginMember();
  bool EndMember();
  bool Data();
  void Resolve();
  bool SkipArray();
  bool LiftArray(const uint8_t* start);
  template <typename Element, typename Run>
  bool Elements(Element&& element, Run&& run);
  template <typename Element>
  bool Elements(Element&& element) {
    return Elements(element, [] { return int64_t{0}; });
  }
  template <typename T>
  int64_t PlainRun(LiftedInput* lifted);
  bool LiftFloats(int datatype, LiftedInput* lifted);
  bool LiftIntegers(int datatype, LiftedInput* lifted);
  bool LiftBools(LiftedInput* lifted);
  bool LiftBytes(LiftedInput* lifted);
  bool SkipElements(LiftedInput* lifted);
  bool FloatElement(double* value);
  bool UniqueKeys(uint32_t first);
  bool SameKey(const Key& a, const Key& b);
  bool Fail(LiftStatus status, const uint8_t* at);
  void SkipSpace() {
    while (p_ < end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r')) ++p_;
  }
  // Moves behind `text` if it stands here.
  bool Word(const char* text, size_t length) {
    if (static_cast<size_t>(end_ - p_) < length || std::memcmp(p_, text, length) != 0) return false;
    p_ += length;
    return true;
  }
  bool Flush(const uint8_t* upto);
  LiftPlacement Room() const;

  const LiftRequest* request_ = nullptr;
  const uint8_t* p_ = nullptr;
  const uint8_t* end_ = nullptr;
  const uint8_t* run_ = nullptr;  // start of the bytes not yet copied to the skeleton
  std::array<Frame, kMaxDepth> frames_;
  uint32_t depth_ = 0;
  uint32_t values_ = 0;
  std::vector<Key> keys_;
  std::vector<LiftedInput> lifted_;
  Member member_;
  LiftStatus status_ = LiftStatus::kOk;
  bool short_of_space_ = false;
  size_t error_offset_ = 0;
  int64_t error_input_ = -1;
  int64_t error_element_ = -1;
  int64_t element_ = -1;
  size_t skeleton_length_ = 0;
  int64_t id_start_ = -1;
  int64_t id_length_ = 0;
};

}  // namespace penstock
