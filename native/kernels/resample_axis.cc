#include "resample_axis.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace penstock {
namespace {

double Box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double Triangle(double x) { return std::max(0.0, 1.0 - std::fabs(x)); }

// Keys' cubic with a = -0.5.
double Cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double Sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double Lanczos3(double x) { return x >= -3.0 && x < 3.0 ? Sinc(x) * Sinc(x / 3) : 0.0; }

struct Kernel {
  double (*weight)(double);
  double support;
};

Kernel KernelOf(Filter filter) {
  switch (filter) {
    case Filter::kBicubic:
      return {Cubic, 2.0};
    case Filter::kLanczos3:
      return {Lanczos3, 3.0};
    case Filter::kArea:
      return {Box, 0.5};
    default:
      return {Triangle, 1.0};
  }
}

int32_t ToFixed(double weight) {
  const double scaled = weight * (1 << kWeightBits);
  return static_cast<int32_t>(weight < 0 ? -0.5 + scaled : 0.5 + scaled);
}

void Split(FixedAxis* axis) {
  axis->high.resize(axis->weights.size());
  axis->low.resize(axis->weights.size());
  for (size_t i = 0; i < axis->weights.size(); ++i) {
    axis->high[i] = static_cast<int16_t>(axis->weights[i] >> kLowBits);
    axis->low[i] = static_cast<int16_t>(axis->weights[i] & ((1 << kLowBits) - 1));
  }
}

// torch's cubic_convolution1 and 2 with a = -0.75.
float CubicNear(float x) {
  constexpr float a = -0.75F;
  return ((a + 2) * x - (a + 3)) * x * x + 1;
}

float CubicFar(float x) {
  constexpr float a = -0.75F;
  return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

}  // namespace

FixedAxis MakeFixedAxis(const Side& side, Filter filter) {
  const Kernel kernel = KernelOf(filter);
  const double scale = static_cast<double>(side.source) / side.resized;
  const double stretch = std::max(scale, 1.0);
  const double support = kernel.support * stretch;
  const double shrink = 1.0 / stretch;
  // A window's taps are below 2 * ceil(support) + 1, and never more than the source has.
  const int32_t most = std::min(2 * static_cast<int32_t>(std::ceil(support)) + 1, side.source);
  FixedAxis axis;
  axis.stride = (most + 7) / 8 * 8;
  axis.weights.assign(static_cast<size_t>(side.length) * static_cast<size_t>(axis.stride), 0);
  std::vector<double> exact(static_cast<size_t>(most));
  for (int32_t i = 0; i < side.length; ++i) {
    const double centre = (side.start + i + 0.5) * scale;
    const int32_t from = std::max(static_cast<int32_t>(centre - support + 0.5), 0);
    const int32_t to = std::min(static_cast<int32_t>(centre + support + 0.5), side.source);
    double sum = 0;
    for (int32_t t = 0; t < to - from; ++t) {
      exact[static_cast<size_t>(t)] = kernel.weight((t + from - centre + 0.5) * shrink);
      sum += exact[static_cast<size_t>(t)];
    }
    int32_t* weights = axis.weights.data() + static_cast<size_t>(i) * static_cast<size_t>(axis.stride);
    for (int32_t t = 0; t < to - from; ++t) {
      const double weight = exact[static_cast<size_t>(t)];
      weights[t] = ToFixed(sum != 0.0 ? weight / sum : weight);
    }
    axis.first.push_back(from);
    axis.count.push_back(to - from);
  }
  Split(&axis);
  return axis;
}

PlainAxis MakePlainAxis(const Side& side, Filter filter) {
  const bool cubic = filter == Filter::kBicubic;
  PlainAxis axis;
  axis.taps = cubic ? 4 : 2;
  const float scale = static_cast<float>(side.source) / static_cast<float>(side.resized);
  const auto clamped = [&side](int32_t index) { return std::clamp(index, 0, side.source - 1); };
  for (int32_t i = 0; i < side.length; ++i) {
    float at = scale * (static_cast<float>(side.start + i) + 0.5F) - 0.5F;
    if (!cubic) at = std::max(at, 0.0F);
    const float floor = std::floor(at);
    const int32_t first = clamped(static_cast<int32_t>(floor));
    // Cubic: the fraction is that of the place itself, which may lie before the first pixel.
    const float t = cubic ? at - floor : std::clamp(at - static_cast<float>(first), 0.0F, 1.0F);
    if (cubic) {
      const int32_t middle = static_cast<int32_t>(floor);
      for (int32_t tap = -1; tap <= 2; ++tap) axis.index.push_back(clamped(middle + tap));
      // torch says (1 - t) + 1 for the last: the same, since t is a multiple of 2^-24, so that 1 - t is exact.
      for (const float weight : {CubicFar(t + 1), CubicNear(t), CubicNear(1 - t), CubicFar(2 - t)}) {
        axis.weight.push_back(weight);
      }
    } else {
      axis.index.insert(axis.index.end(), {first, clamped(first + 1)});
      axis.weight.insert(axis.weight.end(), {1 - t, t});
    }
  }
  return axis;
}

std::vector<int32_t> MakeNearestAxis(const Side& side) {
  const double scale = static_cast<double>(side.source) / side.resized;
  std::vector<int32_t> index;
  index.reserve(static_cast<size_t>(side.length));
  // Added up from the first pixel on as Pillow does: where a place falls between two pixels, its rounding decides.
  double at = scale * 0.5;
  for (int32_t i = 0; i < side.start; ++i) at += scale;
  for (int32_t i = 0; i < side.length; ++i, at += scale) {
    index.push_back(std::min(static_cast<int32_t>(at), side.source - 1));
  }
  return index;
}

}  // namespace penstock
