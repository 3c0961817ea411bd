#include "json_lift.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "datatype.h"

namespace penstock {
namespace {

std::string Plain(const StringToken& text) {
  std::string plain(UnescapedLength(text), '\0');
  Unescape(text, reinterpret_cast<uint8_t*>(plain.data()));
  return plain;
}

uint64_t HashText(const StringToken& text) {
  // FNV-1a: keys are short, and a full comparison confirms.
  uint64_t hash = 0xcbf29ce484222325;
  auto mix = [&hash](uint8_t c) { hash = (hash ^ c) * 0x100000001b3; };
  if (!text.escaped) {
    for (const uint8_t* p = text.begin; p < text.end; ++p) mix(*p);
    return hash;
  }
  for (const char c : Plain(text)) mix(static_cast<uint8_t>(c));
  return hash;
}

bool Equals(const StringToken& text, const char* name, size_t length) {
  if (!text.escaped) {
    return static_cast<size_t>(text.end - text.begin) == length && std::memcmp(text.begin, name, length) == 0;
  }
  return Plain(text) == std::string_view(name, length);
}

template <size_t N>
bool Equals(const StringToken& text, const char (&name)[N]) {
  return Equals(text, name, N - 1);
}

bool Equals(const StringToken& text, std::string_view name) { return Equals(text, name.data(), name.size()); }

}  // namespace

LiftStatus Lifter::Lift(const LiftRequest& request) {
  Start(request);
  if (!Document()) return status_;
  if (!Flush(end_)) return status_;
  status_ = short_of_space_ ? LiftStatus::kNeedSpace : LiftStatus::kOk;
  return status_;
}

void Lifter::Start(const LiftRequest& request) {
  request_ = &request;
  p_ = run_ = request.body;
  end_ = request.body + request.length;
  depth_ = 0;
  values_ = 0;
  keys_.clear();
  lifted_.clear();
  status_ = LiftStatus::kOk;
  short_of_space_ = false;
  error_offset_ = 0;
  error_input_ = error_element_ = element_ = -1;
  skeleton_length_ = 0;
  id_start_ = -1;
  id_length_ = 0;
}

bool Lifter::Document() {
  for (;;) {
    SkipSpace();
    const uint32_t before = depth_;
    if (!Value()) return false;
    if (depth_ > before) continue;  // a container was opened: its first value is next
    bool done = false;
    if (!AfterValue(&done)) return false;
    if (done) break;
  }
  SkipSpace();
  return p_ == end_ || Fail(LiftStatus::kSyntax, p_);
}

// Reads one scalar, or opens a container and leaves `p_` at its first value. An empty container is read whole.
bool Lifter::Value() {
  if (depth_ > 0 && frames_[depth_ - 1].role == Role::kInputs && !BeginMember()) return false;
  if (p_ >= end_) return Fail(LiftStatus::kSyntax, p_);
  if (++values_ > kMaxValues) return Fail(LiftStatus::kTooManyValues, p_);
  switch (*p_) {
    case '{':
      return Open(Kind::kObject);
    case '[':
      if (depth_ > 0 && frames_[depth_ - 1].role == Role::kMember && frames_[depth_ - 1].key == KeyName::kData) {
        return Data();
      }
      return Open(Kind::kArray);
    case '"':
      return String();
    case 't':
    case 'f':
    case 'n':
      return Literal();
    default:
      return Number();
  }
}

bool Lifter::Open(Kind kind) {
  if (depth_ >= request_->max_depth || depth_ >= kMaxDepth) return Fail(LiftStatus::kTooDeep, p_);
  Role role = Role::kOther;
  if (depth_ == 0 && kind == Kind::kObject) role = Role::kRoot;
  if (depth_ > 0) {
    const Frame& parent = frames_[depth_ - 1];
    if (parent.role == Role::kRoot && parent.key == KeyName::kInputs && kind == Kind::kArray) role = Role::kInputs;
    if (parent.role == Role::kInputs && kind == Kind::kObject) role = Role::kMember;
  }
  frames_[depth_++] = {kind, role, KeyName::kOther, static_cast<uint32_t>(keys_.size())};
  if (role == Role::kMember) member_ = Member();
  ++p_;
  SkipSpace();
  if (p_ >= end_) return Fail(LiftStatus::kSyntax, p_);
  if (*p_ == (kind == Kind::kObject ? '}' : ']')) return Close();
  return kind == Kind::kArray || ObjectKey();
}

bool Lifter::Close() {
  const Frame& frame = frames_[depth_ - 1];
  if (frame.kind == Kind::kObject && !UniqueKeys(frame.first_key)) return false;
  keys_.resize(frame.first_key);
  ++p_;
  if (frame.role == Role::kMember && !EndMember()) return false;
  --depth_;
  return true;
}

// Behind a value: the comma before the next one, or the end of as many containers as end here.
bool Lifter::AfterValue(bool* done) {
  for (;;) {
    if (depth_ == 0) {
      *done = true;
      return true;
    }
    SkipSpace();
    if (p_ >= end_) return Fail(LiftStatus::kSyntax, p_);
    const Kind kind = frames_[depth_ - 1].kind;
    if (*p_ == ',') {
      ++p_;
      if (kind == Kind::kArray) return true;
      SkipSpace();
      return ObjectKey();
    }
    if (*p_ != (kind == Kind::kObject ? '}' : ']')) return Fail(LiftStatus::kSyntax, p_);
    if (!Close()) return false;
  }
}

bool Lifter::ObjectKey() {
  Frame& frame = frames_[depth_ - 1];
  if (p_ >= end_ || *p_ != '"') return Fail(LiftStatus::kSyntax, p_);
  Key key{};
  const StringFault fault = ScanString(p_ + 1, end_, &key.text);
  if (fault != StringFault::kNone) {
    return Fail(fault == StringFault::kSyntax ? LiftStatus::kSyntax : LiftStatus::kBadString, key.text.end);
  }
  // What is not `data` becomes the skeleton, which is bounded: so are the keys that are remembered here.
  if (static_cast<size_t>(p_ - run_) + skeleton_length_ > request_->skeleton_capacity) {
    return Fail(LiftStatus::kHeadTooLarge, p_);
  }
  key.hash = HashText(key.text);
  keys_.push_back(key);
  frame.key = KeyName::kOther;
  if (frame.role == Role::kRoot) {
    if (Equals(key.text, "inputs")) frame.key = KeyName::kInputs;
    if (Equals(key.text, "id")) frame.key = KeyName::kId;
  } else if (frame.role == Role::kMember) {
    if (Equals(key.text, "data")) frame.key = KeyName::kData;
    if (Equals(key.text, "name")) frame.key = KeyName::kName;
    if (Equals(key.text, "datatype")) frame.key = KeyName::kDatatype;
  }
  p_ = key.text.end + 1;
  SkipSpace();
  if (p_ >= end_ || *p_ != ':') return Fail(LiftStatus::kSyntax, p_);
  ++p_;
  return true;
}

bool Lifter::String() {
  StringToken token;
  const uint8_t* quote = p_;
  const StringFault fault = ScanString(p_ + 1, end_, &token);
  if (fault != StringFault::kNone) {
    return Fail(fault == StringFault::kSyntax ? LiftStatus::kSyntax : LiftStatus::kBadString, token.end);
  }
  p_ = token.end + 1;
  if (depth_ == 0) return true;
  const Frame& frame = frames_[depth_ - 1];
  if (frame.key == KeyName::kId && token.end > token.begin) {
    if (!Flush(quote + 1)) return false;
    run_ = token.end;
    id_start_ = quote - request_->body;
    id_length_ = p_ - quote;
  } else if (frame.key == KeyName::kName) {
    member_.name = token;
    member_.has_name = true;
  } else if (frame.key == KeyName::kDatatype) {
    member_.datatype = token;
    member_.has_datatype = true;
  }
  return true;
}

bool Lifter::Number() {
  NumberToken token;
  if (!ScanNumber(p_, end_, &token)) return Fail(LiftStatus::kSyntax, p_);
  if (!token.exact || token.exponent > 250) {
    if (token.end - token.begin > static_cast<ptrdiff_t>(kMaxNumberLength) || !std::isfinite(ToDouble(token))) {
      return Fail(LiftStatus::kBadNumber, p_);
    }
  }
  p_ = token.end;
  return true;
}

bool Lifter::Literal() {
  if (Word("true", 4) || Word("false", 5) || Word("null", 4)) return true;
  return Fail(LiftStatus::kSyntax, p_);
}

bool Lifter::BeginMember() {
  if (lifted_.size() >= kMaxInputs) return Fail(LiftStatus::kTooManyInputs, p_);
  lifted_.emplace_back();
  return true;
}

bool Lifter::EndMember() {
  if (member_.deferred == nullptr) return true;
  const uint8_t* behind = p_;
  Resolve();
  const bool lifted = LiftArray(member_.deferred);
  p_ = behind;
  return lifted;
}

// At the `[` of a member's data.
bool Lifter::Data() {
  const uint8_t* start = p_;
  if (!Flush(start + 1)) return false;
  if (member_.has_name && member_.has_datatype) {
    Resolve();
    if (!LiftArray(start)) return false;
  } else {
    member_.deferred = start;
    if (!SkipArray()) return false;
  }
  run_ = p_ - 1;
  return true;
}

// Which model input the member feeds, if its name and datatype are those of one.
void Lifter::Resolve() {
  member_.model_input = member_.named = -1;
  member_.floating = false;
  if (!member_.has_datatype) return;
  member_.floating = Equals(member_.datatype, "FP32") || Equals(member_.datatype, "FP64");
  if (!member_.has_name) return;
  const auto& inputs = *request_->inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!Equals(member_.name, inputs[i].name)) continue;
    if (!Equals(member_.datatype, kDatatypes[static_cast<size_t>(inputs[i].datatype)].name)) continue;
    member_.model_input = static_cast<int32_t>(i);
    return;
  }
}

bool Lifter::UniqueKeys(uint32_t first) {
  const size_t count = keys_.size() - first;
  if (count < 2) return true;
  if (count <= 16) {
    for (size_t i = first; i < keys_.size(); ++i) {
      for (size_t j = first; j < i; ++j) {
        if (keys_[i].hash == keys_[j].hash && SameKey(keys_[i], keys_[j])) {
          return Fail(LiftStatus::kDuplicateKey, keys_[i].text.begin);
        }
      }
    }
    return true;
  }
  // Ordered by hash and then by text, so that equal keys are neighbours whatever hashes a client manages to collide.
  std::sort(keys_.begin() + first, keys_.end(), [](const Key& a, const Key& b) {
    return a.hash != b.hash ? a.hash < b.hash : Plain(a.text) < Plain(b.text);
  });
  for (size_t i = first + 1; i < keys_.size(); ++i) {
    if (keys_[i].hash == keys_[i - 1].hash && SameKey(keys_[i], keys_[i - 1])) {
      return Fail(LiftStatus::kDuplicateKey, keys_[i].text.begin);
    }
  }
  return true;
}

bool Lifter::SameKey(const Key& a, const Key& b) { return Plain(a.text) == Plain(b.text); }

bool Lifter::Fail(LiftStatus status, const uint8_t* at) {
  status_ = status;
  error_offset_ = static_cast<size_t>(at - request_->body);
  const bool in_member = depth_ >= 3 && frames_[1].role == Role::kInputs;
  error_input_ = in_member ? static_cast<int64_t>(lifted_.size()) - 1 : -1;
  error_element_ = element_;
  return false;
}

// Copies the bytes from `run_` to `upto` to the skeleton.
bool Lifter::Flush(const uint8_t* upto) {
  const size_t length = static_cast<size_t>(upto - run_);
  if (length > request_->skeleton_capacity - skeleton_length_) return Fail(LiftStatus::kHeadTooLarge, upto);
  if (length > 0) std::memcpy(request_->skeleton + skeleton_length_, run_, length);
  skeleton_length_ += length;
  run_ = upto;
  return true;
}

}  // namespace penstock
