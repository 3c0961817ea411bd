// What is made of a model's scores: softmax, sigmoid, and the best of a row. Rows of float32, aligned to 4 bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock {

// exp(x - max) / sum of each row; the sum is kept in double. As the formula gives: a row with NaN or +Infinity in it,
// or with nothing but -Infinity, becomes NaN. `target` may be `source`.
void Softmax(const float* source, float* target, size_t rows, size_t width);

// 1 / (1 + exp(-x)), without overflow on either side. `target` may be `source`.
void Sigmoid(const float* source, float* target, size_t count);

// The indices of the `k` largest of a row of `width`, k <= width: by value descending, equal ones by index (0 and -0
// are equal), NaN last. A heap of k in `indices` itself: width * log(k) at worst.
void TopK(const float* row, size_t width, size_t k, uint32_t* indices);

}  // namespace penstock
