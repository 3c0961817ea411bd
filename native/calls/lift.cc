// Targets, their known heads, and lifting of JSON bodies: arguments checked, then the kernels.

#include <memory>
#include <vector>

#include "../kernels/datatype.h"
#include "call.h"
#include "environment.h"

namespace penstock {
namespace {

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

// The target whose handle is the first argument.
template <size_t N>
Target& FindTarget(napi_env env, const Arguments<N>& arguments) {
  const auto& targets = arguments.environment().targets;
  const auto found = targets.find(static_cast<uint32_t>(arguments.Count(0, 4294967295.0)));
  if (found == targets.end()) throw Napi::RangeError::New(env, "unknown target");
  return *found->second;
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
  return ToJs(env, FindTarget(env, arguments).heads.Match(bytes, length));
}

napi_value RememberHead(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const size_t length = arguments.Count(3);
  const uint8_t* bytes = arguments.Range(1, 2, static_cast<double>(length), "rememberHead");
  const auto plan = static_cast<int32_t>(arguments.Count(4, 1 << 30));
  return ToJs(env, FindTarget(env, arguments).heads.Remember(bytes, length, plan));
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
  const double* pair = arguments.Numbers<double>(5, 2 * target.inputs.size(), "lift: placement");
  const MemoryView skeleton = arguments.View(6, "lift: skeleton");
  double* result = arguments.Numbers<double>(7, kResultLength, "lift: result");
  placements->clear();
  for (size_t i = 0; i < target.inputs.size(); ++i, pair += 2) {
    uint8_t* at = destination.Range(env, pair[0], pair[1], "lift: placement");
    placements->push_back({at, static_cast<size_t>(pair[1])});
  }
  const auto depth = static_cast<uint32_t>(arguments.Count(8, kMaxDepth));
  return {{body, length, &target.inputs, placements->data(), skeleton.data, skeleton.length, depth}, result};
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
  Target& target = FindTarget(env, arguments);
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
    const Target& target = FindTarget(env, arguments);
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

constexpr Export kCalls[] = {
    {"createTarget", Guard<CreateTarget>},
    {"dropTarget", Guard<DropTarget>},
    {"matchHead", Guard<MatchHead>},
    {"rememberHead", Guard<RememberHead>},
    {"lift", Guard<Lift>},
    {"liftAsync", Guard<LiftAsync>},
};

}  // namespace

std::span<const Export> LiftCalls() { return kCalls; }

}  // namespace penstock
