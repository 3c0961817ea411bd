// What is made of a model's scores: arguments checked, then the kernels.

#include "../kernels/scores.h"

#include <cmath>

#include "../kernels/detections.h"
#include "call.h"
#include "environment.h"

namespace penstock {
namespace {

// Places in the Float64Array of `detect`: `DetectPlace` in image-words.ts.
enum DetectPlace : size_t {
  kScoreThreshold,
  kOverlapThreshold,
  kMost,
  kAcrossClasses,
  kScale,
  kPadX,
  kPadY,
  kWidth,
  kHeight,
  kOptionsLength,
};

// `count` floats of argument `memory`, from the byte offset in the one behind it.
template <size_t N>
float* Floats(napi_env env, const Arguments<N>& arguments, size_t memory, double count, const char* what) {
  return Aligned<float>(env, arguments.Range(memory, memory + 1, count * sizeof(float), what), what);
}

napi_value SoftmaxCall(napi_env env, napi_callback_info info) {
  const Arguments<6> arguments(env, info);
  const size_t rows = arguments.Count(4);
  const size_t width = arguments.Count(5);
  const double count = static_cast<double>(rows) * static_cast<double>(width);
  const float* source = Floats(env, arguments, 0, count, "softmax: source");
  Softmax(source, Floats(env, arguments, 2, count, "softmax: target"), rows, width);
  return nullptr;
}

napi_value SigmoidCall(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const size_t count = arguments.Count(4);
  const float* source = Floats(env, arguments, 0, static_cast<double>(count), "sigmoid: source");
  Sigmoid(source, Floats(env, arguments, 2, static_cast<double>(count), "sigmoid: target"), count);
  return nullptr;
}

napi_value TopKCall(napi_env env, napi_callback_info info) {
  const Arguments<6> arguments(env, info);
  const size_t rows = arguments.Count(2);
  const size_t width = arguments.Count(3, 4294967295.0);
  const size_t k = arguments.Count(4, static_cast<double>(width));
  const float* row = Floats(env, arguments, 0, static_cast<double>(rows) * static_cast<double>(width), "topK: source");
  // No more than the numbers of the source, which are there.
  uint32_t* indices = arguments.Numbers<uint32_t>(5, rows * k, "topK: indices");
  if (k == 0) return nullptr;
  for (size_t i = 0; i < rows; ++i, row += width, indices += k) TopK(row, width, k, indices);
  return nullptr;
}

// The options, checked; what the caller measures comes with the other arguments.
DetectionRequest CheckOptions(napi_env env, const double* option) {
  for (size_t i = 0; i < kOptionsLength; ++i) {
    if (!std::isfinite(option[i])) throw Napi::RangeError::New(env, "detect: options must be finite");
  }
  const double most = option[kMost];
  const bool sane = most >= 0 && most <= static_cast<double>(kMostDetections) && option[kScale] > 0 &&
                    option[kWidth] >= 0 && option[kHeight] >= 0;
  if (!sane) throw Napi::RangeError::New(env, "detect: an option is out of range");
  return {nullptr,
          DetectionLayout::kYolo5,
          0,
          0,
          option[kScoreThreshold],
          option[kOverlapThreshold],
          static_cast<size_t>(most),
          option[kAcrossClasses] != 0,
          option[kScale],
          option[kPadX],
          option[kPadY],
          option[kWidth],
          option[kHeight],
          nullptr};
}

napi_value DetectCall(napi_env env, napi_callback_info info) {
  const Arguments<8> arguments(env, info);
  DetectionRequest request = CheckOptions(env, arguments.Numbers<double>(5, kOptionsLength, "detect: options"));
  request.layout = static_cast<DetectionLayout>(arguments.Count(2, 1));
  request.boxes = arguments.Count(3, 4294967295.0);
  request.classes = arguments.Count(4, 16777216.0);
  if (request.classes == 0) throw Napi::RangeError::New(env, "detect: there must be a class");
  const double attributes =
      (request.layout == DetectionLayout::kYolo5 ? 5.0 : 4.0) + static_cast<double>(request.classes);
  request.head = Floats(env, arguments, 0, static_cast<double>(request.boxes) * attributes, "detect: source");
  request.rows = Floats(env, arguments, 6, static_cast<double>(request.most * kDetectionWidth), "detect: target");
  return ToJs(env, static_cast<int32_t>(Detect(request, &arguments.environment().candidates)));
}

constexpr Export kCalls[] = {
    {"softmax", Guard<SoftmaxCall>},
    {"sigmoid", Guard<SigmoidCall>},
    {"topK", Guard<TopKCall>},
    {"detect", Guard<DetectCall>},
};

}  // namespace

std::span<const Export> ScoreCalls() { return kCalls; }

}  // namespace penstock
