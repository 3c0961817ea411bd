#include "scores.h"

#include <algorithm>
#include <cmath>

namespace penstock {
namespace {

// NaN may be passed over: it makes the sum NaN all the same.
float Largest(const float* row, size_t width) {
  float largest = row[0];
  for (size_t i = 1; i < width; ++i) largest = row[i] > largest ? row[i] : largest;
  return largest;
}

}  // namespace

void Softmax(const float* source, float* target, size_t rows, size_t width) {
  if (width == 0) return;
  for (size_t row = 0; row < rows; ++row, source += width, target += width) {
    const float largest = Largest(source, width);
    double sum = 0;
    for (size_t i = 0; i < width; ++i) {
      target[i] = std::exp(source[i] - largest);
      sum += target[i];
    }
    for (size_t i = 0; i < width; ++i) target[i] = static_cast<float>(target[i] / sum);
  }
}

void Sigmoid(const float* source, float* target, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const float power = std::exp(-std::fabs(source[i]));
    target[i] = (source[i] < 0 ? power : 1) / (1 + power);
  }
}

void TopK(const float* row, size_t width, size_t k, uint32_t* indices) {
  const auto before = [row](uint32_t a, uint32_t b) {
    if (row[a] != row[b] && !(std::isnan(row[a]) && std::isnan(row[b]))) return std::isnan(row[b]) || row[a] > row[b];
    return a < b;
  };
  if (k == 0) return;
  for (size_t i = 0; i < k; ++i) indices[i] = static_cast<uint32_t>(i);
  // The worst of those kept is on top.
  std::make_heap(indices, indices + k, before);
  for (size_t i = k; i < width; ++i) {
    const auto candidate = static_cast<uint32_t>(i);
    if (!before(candidate, indices[0])) continue;
    std::pop_heap(indices, indices + k, before);
    indices[k - 1] = candidate;
    std::push_heap(indices, indices + k, before);
  }
  std::sort_heap(indices, indices + k, before);
}

}  // namespace penstock
