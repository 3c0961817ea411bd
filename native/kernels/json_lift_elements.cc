// The other half of Lifter: the elements of `data` arrays, by datatype. The document around them is json_lift.cc.

#include <cmath>
#include <cstring>
#include <limits>

#include "datatype.h"
#include "json_lift.h"

namespace penstock {
namespace {

template <typename T>
inline void Store(uint8_t* target, T value) {
  std::memcpy(target, &value, sizeof(T));
}

struct IntegerRange {
  uint64_t most;
  uint64_t least;  // magnitude of the smallest
};

IntegerRange RangeOf(int datatype) {
  switch (datatype) {
    case kUint8:
      return {0xFF, 0};
    case kUint16:
      return {0xFFFF, 0};
    case kUint32:
      return {0xFFFFFFFF, 0};
    case kUint64:
      return {std::numeric_limits<uint64_t>::max(), 0};
    case kInt8:
      return {0x7F, 0x80};
    case kInt16:
      return {0x7FFF, 0x8000};
    case kInt32:
      return {0x7FFFFFFF, 0x80000000};
    default:
      return {0x7FFFFFFFFFFFFFFF, 0x8000000000000000};
  }
}

}  // namespace

// Finds the end of an array that is read properly later: brackets and strings only.
bool Lifter::SkipArray() {
  uint32_t open = 0;
  while (p_ < end_) {
    const uint8_t c = *p_;
    if (c == '"') {
      StringToken token;
      const StringFault fault = ScanString(p_ + 1, end_, &token);
      if (fault != StringFault::kNone) {
        return Fail(fault == StringFault::kSyntax ? LiftStatus::kSyntax : LiftStatus::kBadString, token.end);
      }
      p_ = token.end;
    } else if (c == '[') {
      if (depth_ + ++open > request_->max_depth) return Fail(LiftStatus::kTooDeep, p_);
    } else if (c == ']' && --open == 0) {
      ++p_;
      return true;
    }
    ++p_;
  }
  return Fail(LiftStatus::kSyntax, p_);
}

bool Lifter::LiftArray(const uint8_t* start) {
  p_ = start;
  LiftedInput& lifted = lifted_.back();
  lifted = LiftedInput();
  lifted.elements = 0;
  lifted.model_input = member_.model_input;
  element_ = 0;
  bool ok = false;
  if (lifted.model_input < 0) {
    ok = SkipElements(&lifted);
  } else {
    const int datatype = (*request_->inputs)[static_cast<size_t>(lifted.model_input)].datatype;
    switch (datatype) {
      case kFp32:
      case kFp64:
        ok = LiftFloats(datatype, &lifted);
        break;
      case kBool:
        ok = LiftBools(&lifted);
        break;
      case kBytes:
        ok = LiftBytes(&lifted);
        break;
      case kFp16:
      case kBf16:
        element_ = -1;
        ok = Fail(LiftStatus::kNoJsonForm, start);
        break;
      default:
        ok = LiftIntegers(datatype, &lifted);
    }
  }
  if (!ok) return false;
  lifted.elements = element_;
  element_ = -1;
  if (lifted.model_input >= 0 && static_cast<size_t>(lifted.bytes) > Room().capacity) short_of_space_ = true;
  return true;
}

// Walks an array of any nesting and calls `element` at each leaf. All arrays of one level must be equally long, and all
// leaves equally deep. At a leaf, `run` may take any number of leaves that have another one behind them in their array.
template <typename Element, typename Run>
bool Lifter::Elements(Element&& element, Run&& run) {
  std::array<int64_t, kMaxDepth + 2> counts;   // of the array open at each level
  std::array<int64_t, kMaxDepth + 2> lengths;  // of the first array that ended there, -1 before
  lengths.fill(-1);
  uint32_t level = 0;
  uint32_t leaf_level = 0;
  bool want_value = true;
  for (;;) {
    SkipSpace();
    if (p_ >= end_) return Fail(LiftStatus::kSyntax, p_);
    const uint8_t c = *p_;
    if (want_value && c == '[') {
      if (depth_ + level >= request_->max_depth) return Fail(LiftStatus::kTooDeep, p_);
      if (leaf_level != 0 && level >= leaf_level) return Fail(LiftStatus::kRagged, p_);
      if (level > 0) ++counts[level];
      counts[++level] = 0;
      ++p_;
      SkipSpace();
      if (p_ < end_ && *p_ == ']') want_value = false;
      continue;
    }
    if (want_value) {
      if (leaf_level == 0) leaf_level = level;
      // An array that ended below this level, empty, was as ragged as a deeper leaf.
      if (leaf_level != level || lengths[level + 1] >= 0) return Fail(LiftStatus::kRagged, p_);
      const int64_t taken = run();
      element_ += taken;
      counts[level] += taken;
      if (!element()) return false;
      ++element_;
      ++counts[level];
      want_value = false;
      continue;
    }
    if (c == ',') {
      ++p_;
      want_value = true;
      continue;
    }
    if (c != ']') return Fail(LiftStatus::kSyntax, p_);
    ++p_;
    if (lengths[level] < 0) lengths[level] = counts[level];
    if (lengths[level] != counts[level]) return Fail(LiftStatus::kRagged, p_ - 1);
    if (--level == 0) return true;
  }
}

bool Lifter::FloatElement(double* value) {
  NumberToken token;
  if (ScanNumber(p_, end_, &token)) {
    *value = ToDouble(token);
    if (!std::isfinite(*value)) return Fail(LiftStatus::kElementRange, p_);
    p_ = token.end;
    return true;
  }
  *value = std::numeric_limits<double>::quiet_NaN();
  if (Word("null", 4) || Word("NaN", 3)) return true;
  *value = std::numeric_limits<double>::infinity();
  if (Word("Infinity", 8)) return true;
  *value = -*value;
  if (Word("-Infinity", 9)) return true;
  const uint8_t c = *p_;
  const bool other_type = c == '"' || c == '{' || c == 't' || c == 'f';
  return Fail(other_type ? LiftStatus::kElementType : LiftStatus::kSyntax, p_);
}

// Lifts plain numbers for as long as one stands behind the other with a comma between: everything in registers, which
// is where the time of a large body goes. What is out of the ordinary is left to the element that comes next.
template <typename T>
int64_t Lifter::PlainRun(LiftedInput* lifted) {
  const LiftPlacement room = Room();
  const auto offset = static_cast<size_t>(lifted->bytes);
  const size_t places = offset < room.capacity ? (room.capacity - offset) / sizeof(T) : 0;
  const uint8_t* p = p_;
  uint8_t* const target = room.target + offset;
  size_t count = 0;
  for (; count < places && end_ - p >= kPlainReach; ++count) {
    double value;
    const uint8_t* q = PlainNumber(p, &value);
    if (q == nullptr || *q != ',') break;
    q += q[1] == ' ' ? 2 : 1;
    if (*q != '-' && static_cast<uint8_t>(*q - '0') >= 10) break;
    Store(target + count * sizeof(T), static_cast<T>(value));
    p = q;
  }
  p_ = p;
  lifted->bytes += static_cast<int64_t>(count * sizeof(T));
  return static_cast<int64_t>(count);
}

bool Lifter::LiftFloats(int datatype, LiftedInput* lifted) {
  const LiftPlacement room = Room();
  const int64_t width = datatype == kFp32 ? 4 : 8;
  const auto run = [&] { return width == 4 ? PlainRun<float>(lifted) : PlainRun<double>(lifted); };
  return Elements(
      [&] {
        double value;
        const uint8_t* at = p_;
        if (!FloatElement(&value)) return false;
        const float narrow = static_cast<float>(value);
        if (width == 4 && std::isinf(narrow) && std::isfinite(value)) return Fail(LiftStatus::kElementRange, at);
        const size_t offset = static_cast<size_t>(lifted->bytes);
        lifted->bytes += width;
        if (static_cast<size_t>(lifted->bytes) > room.capacity) return true;
        if (width == 4) {
          Store(room.target + offset, narrow);
        } else {
          Store(room.target + offset, value);
        }
        return true;
      },
      run);
}

bool Lifter::LiftIntegers(int datatype, LiftedInput* lifted) {
  const LiftPlacement room = Room();
  const size_t width = kDatatypes[static_cast<size_t>(datatype)].size;
  const IntegerRange range = RangeOf(datatype);
  return Elements([&] {
    NumberToken token;
    if (!ScanNumber(p_, end_, &token)) {
      const uint8_t c = *p_;
      const bool other_type = c == '"' || c == '{' || c == 't' || c == 'f' || c == 'n';
      return Fail(other_type ? LiftStatus::kElementType : LiftStatus::kSyntax, p_);
    }
    uint64_t magnitude = 0;
    const IntegerResult result = ToMagnitude(token, &magnitude);
    if (result == IntegerResult::kFraction) return Fail(LiftStatus::kElementFraction, p_);
    if (result == IntegerResult::kRange || magnitude > (token.negative ? range.least : range.most)) {
      return Fail(LiftStatus::kElementRange, p_);
    }
    p_ = token.end;
    const uint64_t bits = token.negative ? ~magnitude + 1 : magnitude;
    const size_t offset = static_cast<size_t>(lifted->bytes);
    lifted->bytes += static_cast<int64_t>(width);
    // Little-endian: the low bytes of the 64-bit form are the narrow form.
    if (offset + width <= room.capacity) std::memcpy(room.target + offset, &bits, width);
    return true;
  });
}

bool Lifter::LiftBools(LiftedInput* lifted) {
  const LiftPlacement room = Room();
  return Elements([&] {
    uint8_t value = 0;
    if (Word("true", 4)) {
      value = 1;
    } else if (!Word("false", 5)) {
      NumberToken token;
      if (!ScanNumber(p_, end_, &token)) {
        const bool other_type = *p_ == '"' || *p_ == '{' || *p_ == 'n';
        return Fail(other_type ? LiftStatus::kElementType : LiftStatus::kSyntax, p_);
      }
      uint64_t magnitude = 0;
      const IntegerResult result = ToMagnitude(token, &magnitude);
      if (result == IntegerResult::kFraction) return Fail(LiftStatus::kElementFraction, p_);
      if (result == IntegerResult::kRange || magnitude > 1 || (token.negative && magnitude > 0)) {
        return Fail(LiftStatus::kElementRange, p_);
      }
      value = static_cast<uint8_t>(magnitude);
      p_ = token.end;
    }
    const size_t offset = static_cast<size_t>(lifted->bytes++);
    if (offset < room.capacity) room.target[offset] = value;
    return true;
  });
}

bool Lifter::LiftBytes(LiftedInput* lifted) {
  const LiftPlacement room = Room();
  return Elements([&] {
    if (*p_ != '"') return Fail(LiftStatus::kElementType, p_);
    StringToken token;
    const StringFault fault = ScanString(p_ + 1, end_, &token);
    if (fault != StringFault::kNone) {
      return Fail(fault == StringFault::kSyntax ? LiftStatus::kSyntax : LiftStatus::kBadString, token.end);
    }
    p_ = token.end + 1;
    const size_t length = UnescapedLength(token);
    const size_t offset = static_cast<size_t>(lifted->bytes);
    lifted->bytes += static_cast<int64_t>(4 + length);
    if (static_cast<size_t>(lifted->bytes) > room.capacity) return true;
    Store(room.target + offset, static_cast<uint32_t>(length));
    Unescape(token, room.target + offset + 4);
    return true;
  });
}

// Data that feeds nothing: checked as JSON, counted, dropped.
bool Lifter::SkipElements(LiftedInput*) {
  return Elements([&] {
    const uint8_t c = *p_;
    if (c == '{') return Fail(LiftStatus::kElementType, p_);
    if (c == '"') {
      StringToken token;
      const StringFault fault = ScanString(p_ + 1, end_, &token);
      p_ = token.end + 1;
      if (fault == StringFault::kNone) return true;
      return Fail(fault == StringFault::kSyntax ? LiftStatus::kSyntax : LiftStatus::kBadString, token.end);
    }
    if (member_.floating && (Word("NaN", 3) || Word("Infinity", 8) || Word("-Infinity", 9))) return true;
    return c == 't' || c == 'f' || c == 'n' ? Literal() : Number();
  });
}

LiftPlacement Lifter::Room() const { return request_->placement[lifted_.back().model_input]; }

}  // namespace penstock
