// The fuzzer's bytes as rows of scores: softmax sums to one and keeps the order, sigmoid lies on the right side of a
// half, the best k are those of a stable sort.

#include "../../kernels/scores.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "fuzz.h"

namespace penstock::fuzz {
namespace {

// A float of few different values, so that there are ties; now and then any bits.
float Number(Feed* feed) {
  const uint8_t byte = feed->Byte();
  if (byte < 240) return static_cast<float>(byte % 32) - 16;
  uint32_t bits = 0;
  for (int i = 0; i < 4; ++i) bits = bits << 8 | feed->Byte();
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

std::vector<float> Row(const uint8_t* data, size_t size) {
  Feed feed(data, size);
  std::vector<float> row;
  while (!feed.empty()) row.push_back(Number(&feed));
  return row;
}

void CheckTopK(const std::vector<float>& row, size_t k) {
  const size_t count = std::min(k, row.size());
  std::vector<uint32_t> all(row.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint32_t>(i);
  std::stable_sort(all.begin(), all.end(),
                   [&](uint32_t a, uint32_t b) { return std::isnan(row[b]) ? !std::isnan(row[a]) : row[a] > row[b]; });
  std::vector<uint32_t> best(count);
  TopK(row.data(), row.size(), count, best.data());
  REQUIRE(std::equal(best.begin(), best.end(), all.begin()));
}

// What the formula makes NaN: a NaN, an Infinity, or nothing but -Infinity.
bool HasNoSoftmax(const std::vector<float>& row) {
  const auto odd = [](float value) { return std::isnan(value) || value == INFINITY; };
  return std::any_of(row.begin(), row.end(), odd) || *std::max_element(row.begin(), row.end()) == -INFINITY;
}

void CheckSoftmax(const std::vector<float>& row) {
  std::vector<float> target = row;
  Softmax(target.data(), target.data(), 1, row.size());
  const bool none = !row.empty() && HasNoSoftmax(row);
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    REQUIRE(none ? std::isnan(target[i]) : target[i] >= 0 && target[i] <= 1);
    if (!none && i > 0 && row[i] >= row[i - 1]) REQUIRE(target[i] >= target[i - 1] * (1 - 1e-6F));
    sum += target[i];
  }
  if (!none && !row.empty()) REQUIRE(std::fabs(sum - 1) < 1e-4);
}

void CheckSigmoid(const std::vector<float>& row) {
  std::vector<float> target(row.size());
  Sigmoid(row.data(), target.data(), row.size());
  for (size_t i = 0; i < row.size(); ++i) {
    REQUIRE(std::isnan(row[i]) ? std::isnan(target[i]) : target[i] >= 0 && target[i] <= 1);
    if (row[i] >= 0) REQUIRE(target[i] >= 0.5F);
    if (row[i] <= 0) REQUIRE(target[i] <= 0.5F);
  }
}

}  // namespace
}  // namespace penstock::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::vector<float> row = penstock::fuzz::Row(data + 1, size - 1);
  penstock::fuzz::CheckTopK(row, data[0]);
  penstock::fuzz::CheckSoftmax(row);
  penstock::fuzz::CheckSigmoid(row);
  return 0;
}
