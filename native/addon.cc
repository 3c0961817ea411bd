// The addon's front page: argument checks and the export table, nothing else. The contract is src/native/binding.ts.
// No static JavaScript state: every worker thread loads the addon and has its own environment data.

#include <napi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

#include "kernels/bytes_tensor.h"
#include "kernels/crash_marks.h"
#include "kernels/datatype.h"
#include "kernels/half_float.h"
#include "kernels/head_table.h"
#include "kernels/json_lift.h"
#include "kernels/number_text.h"
#include "kernels/parent_watch.h"
#include "tensor_view.h"

namespace penstock {
namespace {

constexpr int kContractVersion = 2;

// Places in the Float64Array that lift fills: `Lift` in binding.ts.
enum ResultPlace : size_t {
  kStatus,
  kErrorOffset,
  kErrorInput,
  kErrorElement,
  kPlan,
  kSkeletonLength,
  kIdStart,
  kIdLength,
  kInputCount,
  kInputs,
};
constexpr size_t kStride = 3;
constexpr size_t kResultLength = kInputs + kStride * kMaxInputs;

struct Target {
  std::vector<LiftInput> inputs;
  HeadTable heads;
};

struct EnvironmentData {
  std::unordered_map<uint32_t, std::unique_ptr<Target>> targets;
  uint32_t next_target = 1;
  Lifter lifter;
  std::vector<LiftPlacement> placements;
  uint64_t seed = (static_cast<uint64_t>(std::random_device{}()) << 32) | std::random_device{}();
};

// The arguments of one call, fetched once.
template <size_t N>
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = N;
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, values_, nullptr, &data);
    if (count < N) throw Napi::TypeError::New(env, "too few arguments");
    environment_ = static_cast<EnvironmentData*>(data);
  }

  double Number(size_t i) const {
    double value = 0;
    if (napi_get_value_double(env_, values_[i], &value) != napi_ok) {
      throw Napi::TypeError::New(env_, "argument " + std::to_string(i) + " must be a number");
    }
    return value;
  }

  bool Boolean(size_t i) const {
    bool value = false;
    if (napi_get_value_bool(env_, values_[i], &value) != napi_ok) {
      throw Napi::TypeError::New(env_, "argument " + std::to_string(i) + " must be a boolean");
    }
    return value;
  }

  // A whole number of at most `most`.
  size_t Count(size_t i, double most = 9007199254740991.0) const {
    const double value = Number(i);
    if (!(value >= 0) || value > most) {
      throw Napi::RangeError::New(env_, "argument " + std::to_string(i) + " is out of range");
    }
    return static_cast<size_t>(value);
  }

  MemoryView View(size_t i, const char* what) const { return ViewOf(env_, values_[i], what); }

  uint8_t* Range(size_t memory, size_t offset, double bytes, const char* what) const {
    return View(memory, what).Range(env_, Number(offset), bytes, what);
  }

  Target& FindTarget(size_t i) const {
    const auto found = environment_->targets.find(static_cast<uint32_t>(Count(i, 4294967295.0)));
    if (found == environment_->targets.end()) throw Napi::RangeError::New(env_, "unknown target");
    return *found->second;
  }

  napi_value operator[](size_t i) const { return values_[i]; }
  EnvironmentData& environment() const { return *environment_; }

 private:
  napi_env env_;
  napi_value values_[N];
  EnvironmentData* environment_;
};

napi_value ToJs(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

napi_value ToJs(napi_env env, int32_t value) {
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

napi_value Datatypes(napi_env env, napi_callback_info) {
  Napi::Array rows = Napi::Array::New(env, kDatatypes.size());
  for (uint32_t i = 0; i < kDatatypes.size(); ++i) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("name", std::string(kDatatypes[i].name));
    row.Set("size", static_cast<double>(kDatatypes[i].size));
    rows.Set(i, row);
  }
  return rows;
}

napi_value CreateTarget(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const Napi::Array names(env, arguments[0]);
  const Napi::Array types(env, arguments[1]);
  std::vector<LiftInput> inputs;
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const Napi::Value name = names[i];
    const Napi::Value type = types[i];
    const int32_t id = type.As<Napi::Number>().Int32Value();
    if (!name.IsString() || !type.IsNumber() || id < 0 || id >= kDatatypeCount) {
      throw Napi::TypeError::New(env, "createTarget: names must be strings, datatypes their ids");
    }
    inputs.push_back({name.As<Napi::String>().Utf8Value(), id});
  }
  EnvironmentData& environment = arguments.environment();
  const uint32_t handle = environment.next_target++;
  HeadTable heads(arguments.Count(2, 1 << 20), environment.seed);
  environment.targets.emplace(handle, std::make_unique<Target>(Target{std::move(inputs), std::move(heads)}));
  return ToJs(env, static_cast<double>(handle));
}

napi_value DropTarget(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  arguments.environment().targets.erase(static_cast<uint32_t>(arguments.Count(0)));
  return nullptr;
}

napi_value MatchHead(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  const size_t length = arguments.Count(3);
  const uint8_t* bytes = arguments.Range(1, 2, static_cast<double>(length), "matchHead");
  return ToJs(env, arguments.FindTarget(0).heads.Match(bytes, length));
}

napi_value RememberHead(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const size_t length = arguments.Count(3);
  const uint8_t* bytes = arguments.Range(1, 2, static_cast<double>(length), "rememberHead");
  const auto plan = static_cast<int32_t>(arguments.Count(4, 1 << 30));
  return ToJs(env, arguments.FindTarget(0).heads.Remember(bytes, length, plan));
}

// What lift and liftAsync have in common: their arguments, checked.
struct LiftCall {
  LiftRequest request;
  double* result;
};

LiftCall CheckLift(napi_env env, const Arguments<9>& arguments, const Target& target,
                   std::vector<LiftPlacement>* placements) {
  const size_t length = arguments.Count(3);
  const uint8_t* body = arguments.Range(1, 2, static_cast<double>(length), "lift: body");
  const MemoryView destination = arguments.View(4, "lift: destination");
  const MemoryView pairs = arguments.View(5, "lift: placement");
  const MemoryView skeleton = arguments.View(6, "lift: skeleton");
  const MemoryView result = arguments.View(7, "lift: result");
  if (pairs.length < target.inputs.size() * 2 * sizeof(double) || result.length < kResultLength * sizeof(double)) {
    throw Napi::RangeError::New(env, "lift: placement or result is too small");
  }
  const double* pair = reinterpret_cast<const double*>(pairs.data);
  placements->clear();
  for (size_t i = 0; i < target.inputs.size(); ++i, pair += 2) {
    uint8_t* at = destination.Range(env, pair[0], pair[1], "lift: placement");
    placements->push_back({at, static_cast<size_t>(pair[1])});
  }
  const auto depth = static_cast<uint32_t>(arguments.Count(8, kMaxDepth));
  return {{body, length, &target.inputs, placements->data(), skeleton.data, skeleton.length, depth},
          reinterpret_cast<double*>(result.data)};
}

void FillResult(const Lifter& lifter, LiftStatus status, Target* target, const LiftCall& call) {
  double* result = call.result;
  const size_t skeleton = lifter.skeleton_length();
  const bool whole = status == LiftStatus::kOk || status == LiftStatus::kNeedSpace;
  result[kStatus] = static_cast<double>(status);
  result[kErrorOffset] = static_cast<double>(lifter.error_offset());
  result[kErrorInput] = static_cast<double>(lifter.error_input());
  result[kErrorElement] = static_cast<double>(lifter.error_element());
  result[kPlan] = whole && target != nullptr ? target->heads.Match(call.request.skeleton, skeleton) : -1;
  result[kSkeletonLength] = static_cast<double>(skeleton);
  result[kIdStart] = static_cast<double>(lifter.id_start());
  result[kIdLength] = static_cast<double>(lifter.id_length());
  result[kInputCount] = static_cast<double>(lifter.inputs().size());
  double* record = result + kInputs;
  for (const LiftedInput& input : lifter.inputs()) {
    record[0] = input.model_input;
    record[1] = static_cast<double>(input.elements);
    record[2] = static_cast<double>(input.bytes);
    record += kStride;
  }
}

napi_value Lift(napi_env env, napi_callback_info info) {
  const Arguments<9> arguments(env, info);
  EnvironmentData& environment = arguments.environment();
  Target& target = arguments.FindTarget(0);
  const LiftCall call = CheckLift(env, arguments, target, &environment.placements);
  const LiftStatus status = environment.lifter.Lift(call.request);
  FillResult(environment.lifter, status, &target, call);
  return ToJs(env, static_cast<int32_t>(status));
}

// A lift on the thread pool. Keeps every memory it was given alive until it settles.
class LiftWork : public Napi::AsyncWorker {
 public:
  LiftWork(Napi::Env env, const Arguments<9>& arguments)
      : Napi::AsyncWorker(env),
        environment_(arguments.environment()),
        deferred_(Napi::Promise::Deferred::New(env)),
        handle_(static_cast<uint32_t>(arguments.Count(0))) {
    const Target& target = arguments.FindTarget(0);
    inputs_ = target.inputs;
    call_ = CheckLift(env, arguments, target, &placements_);
    call_.request.inputs = &inputs_;
    for (const size_t memory : {1, 4, 6, 7}) {
      kept_.push_back(Napi::Persistent(Napi::Value(env, arguments[memory]).As<Napi::Object>()));
    }
  }

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { status_ = lifter_.Lift(call_.request); }

  void OnOK() override {
    const auto found = environment_.targets.find(handle_);
    FillResult(lifter_, status_, found == environment_.targets.end() ? nullptr : found->second.get(), call_);
    deferred_.Resolve(Napi::Number::New(Env(), static_cast<double>(status_)));
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  EnvironmentData& environment_;
  Napi::Promise::Deferred deferred_;
  uint32_t handle_;
  std::vector<LiftInput> inputs_;
  std::vector<LiftPlacement> placements_;
  std::vector<Napi::ObjectReference> kept_;
  LiftCall call_{};
  Lifter lifter_;
  LiftStatus status_ = LiftStatus::kOk;
};

napi_value LiftAsync(napi_env env, napi_callback_info info) {
  const Arguments<9> arguments(env, info);
  auto work = std::make_unique<LiftWork>(Napi::Env(env), arguments);
  const Napi::Promise promise = work->Promise();
  work->Queue();
  work.release();  // deletes itself when it has settled
  return promise;
}

napi_value Copy(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const double length = arguments.Number(4);
  const uint8_t* source = arguments.Range(0, 1, length, "copy: source");
  uint8_t* target = arguments.Range(2, 3, length, "copy: target");
  std::memmove(target, source, static_cast<size_t>(length));
  return nullptr;
}

// The (offset, length) pairs of gather and scatter.
const double* Spans(napi_env env, const MemoryView& spans, size_t count) {
  if (count > spans.length / (2 * sizeof(double))) throw Napi::RangeError::New(env, "spans: too short");
  return reinterpret_cast<const double*>(spans.data);
}

napi_value Gather(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const MemoryView source = arguments.View(0, "gather: source");
  const size_t count = arguments.Count(2);
  const double* span = Spans(env, arguments.View(1, "gather: spans"), count);
  const MemoryView target = arguments.View(3, "gather: target");
  double at = arguments.Number(4);
  const double start = at;
  for (size_t i = 0; i < count; ++i, span += 2) {
    const uint8_t* from = source.Range(env, span[0], span[1], "gather: source");
    std::memcpy(target.Range(env, at, span[1], "gather: target"), from, static_cast<size_t>(span[1]));
    at += span[1];
  }
  return ToJs(env, at - start);
}

napi_value Scatter(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const MemoryView source = arguments.View(0, "scatter: source");
  double at = arguments.Number(1);
  const double start = at;
  const MemoryView target = arguments.View(2, "scatter: target");
  const size_t count = arguments.Count(4);
  const double* span = Spans(env, arguments.View(3, "scatter: spans"), count);
  for (size_t i = 0; i < count; ++i, span += 2) {
    const uint8_t* from = source.Range(env, at, span[1], "scatter: source");
    std::memcpy(target.Range(env, span[0], span[1], "scatter: target"), from, static_cast<size_t>(span[1]));
    at += span[1];
  }
  return ToJs(env, at - start);
}

napi_value PrintNumbersCall(napi_env env, napi_callback_info info) {
  const Arguments<6> arguments(env, info);
  const size_t datatype = arguments.Count(0, kDatatypeCount - 1);
  const size_t size = kDatatypes[datatype].size;
  if (datatype == kFp16 || datatype == kBf16 || datatype == kBytes) {
    throw Napi::TypeError::New(env, "printNumbers: the datatype has no JSON form");
  }
  const double count = arguments.Number(3);
  const uint8_t* source = arguments.Range(1, 2, count * static_cast<double>(size), "printNumbers: source");
  const MemoryView target = arguments.View(4, "printNumbers: target");
  uint8_t* out = target.Range(env, arguments.Number(5), 0, "printNumbers: target");
  const size_t room = static_cast<size_t>(target.data + target.length - out);
  const size_t elements = static_cast<size_t>(count);
  if (elements > room / MaxPrinted(static_cast<int>(datatype))) return ToJs(env, -1);
  return ToJs(env, static_cast<double>(PrintNumbers(static_cast<int>(datatype), source, elements, out)));
}

napi_value SplitBytesCall(napi_env env, napi_callback_info info) {
  const Arguments<6> arguments(env, info);
  const double length = arguments.Number(2);
  const uint8_t* source = arguments.Range(0, 1, length, "splitBytes: source");
  const size_t count = arguments.Count(3);
  const MemoryView offsets = arguments.View(4, "splitBytes: offsets");
  if (count > offsets.length / 8) throw Napi::RangeError::New(env, "splitBytes: offsets are too short");
  auto* pairs = reinterpret_cast<uint32_t*>(offsets.data);
  const bool text = arguments.Boolean(5);
  const int64_t fault = SplitBytes(source, static_cast<size_t>(length), count, pairs, text);
  const auto base = static_cast<uint32_t>(arguments.Number(1));
  for (size_t i = 0; fault == -1 && i < count; ++i) pairs[2 * i] += base;
  return ToJs(env, static_cast<double>(fault));
}

napi_value JoinBytesCall(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const MemoryView source = arguments.View(0, "joinBytes: source");
  const MemoryView offsets = arguments.View(1, "joinBytes: offsets");
  const size_t count = arguments.Count(2);
  if (count > offsets.length / 8) throw Napi::RangeError::New(env, "joinBytes: offsets are too short");
  const auto* pairs = reinterpret_cast<const uint32_t*>(offsets.data);
  for (size_t i = 0; i < count; ++i) source.Range(env, pairs[2 * i], pairs[2 * i + 1], "joinBytes: source");
  const MemoryView target = arguments.View(3, "joinBytes: target");
  uint8_t* out = target.Range(env, arguments.Number(4), 0, "joinBytes: target");
  const size_t room = static_cast<size_t>(target.data + target.length - out);
  return ToJs(env, static_cast<double>(JoinBytes(source.data, pairs, count, out, room)));
}

napi_value IsUtf8Call(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const double length = arguments.Number(2);
  const uint8_t* source = arguments.Range(0, 1, length, "isUtf8");
  napi_value result;
  napi_get_boolean(env, IsUtf8(source, static_cast<size_t>(length)), &result);
  return result;
}

template <void (*kKernel)(const uint8_t*, uint8_t*, size_t), int kFrom, int kTo>
napi_value Convert(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const double count = arguments.Number(4);
  const uint8_t* source = arguments.Range(0, 1, count * kFrom, "convert: source");
  kKernel(source, arguments.Range(2, 3, count * kTo, "convert: target"), static_cast<size_t>(count));
  return nullptr;
}

napi_value Discard(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const double length = arguments.Number(2);
  const auto start = reinterpret_cast<uintptr_t>(arguments.Range(0, 1, length, "discard"));
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (start + page - 1) / page * page;
  const uintptr_t last = (start + static_cast<size_t>(length)) / page * page;
  if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  return nullptr;
}

napi_value MapCrashMarksCall(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const size_t slots = arguments.Count(1, kMostCrashSlots);
  uint32_t* marks = MapCrashMarks(static_cast<int>(arguments.Count(0, 2147483647.0)), slots);
  if (marks == nullptr) throw Napi::Error::New(env, "mapCrashMarks: the file cannot be mapped, or one is already");
  napi_value buffer;
  napi_value array;
  // No finalizer: the mapping stays for the life of the process.
  napi_create_external_arraybuffer(env, marks, slots * sizeof(uint32_t), nullptr, nullptr, &buffer);
  napi_create_typedarray(env, napi_uint32_array, slots, buffer, 0, &array);
  return array;
}

napi_value ClaimCrashMarkCall(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  ClaimCrashMark(arguments.Count(0, kMostCrashSlots - 1));
  return nullptr;
}

napi_value DieAfterParentCall(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  DieAfterParent(static_cast<uint32_t>(arguments.Count(0, 4294967295.0)));
  return nullptr;
}

// Turns C++ exceptions of a call into JavaScript ones.
template <napi_value (*kCall)(napi_env, napi_callback_info)>
napi_value Guard(napi_env env, napi_callback_info info) {
  try {
    return kCall(env, info);
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  return nullptr;
}

struct Export {
  const char* name;
  napi_callback call;
};

constexpr Export kExports[] = {
    {"datatypes", Guard<Datatypes>},
    {"createTarget", Guard<CreateTarget>},
    {"dropTarget", Guard<DropTarget>},
    {"matchHead", Guard<MatchHead>},
    {"rememberHead", Guard<RememberHead>},
    {"lift", Guard<Lift>},
    {"liftAsync", Guard<LiftAsync>},
    {"copy", Guard<Copy>},
    {"gather", Guard<Gather>},
    {"scatter", Guard<Scatter>},
    {"printNumbers", Guard<PrintNumbersCall>},
    {"splitBytes", Guard<SplitBytesCall>},
    {"joinBytes", Guard<JoinBytesCall>},
    {"isUtf8", Guard<IsUtf8Call>},
    {"fp16ToFp32", Guard<Convert<Fp16ToFp32, 2, 4>>},
    {"fp32ToFp16", Guard<Convert<Fp32ToFp16, 4, 2>>},
    {"bf16ToFp32", Guard<Convert<Bf16ToFp32, 2, 4>>},
    {"fp32ToBf16", Guard<Convert<Fp32ToBf16, 4, 2>>},
    {"discard", Guard<Discard>},
    {"mapCrashMarks", Guard<MapCrashMarksCall>},
    {"claimCrashMark", Guard<ClaimCrashMarkCall>},
    {"dieAfterParent", Guard<DieAfterParentCall>},
};

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* environment = new EnvironmentData();
  env.SetInstanceData(environment);
  exports.Set("contractVersion", kContractVersion);
  for (const Export& entry : kExports) {
    napi_value function;
    napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.call, environment, &function);
    exports.Set(entry.name, Napi::Value(env, function));
  }
  return exports;
}

NODE_API_MODULE(penstock, Init)

}  // namespace
}  // namespace penstock
