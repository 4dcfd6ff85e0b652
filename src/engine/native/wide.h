// Products of float32 matrices by vectors of 512 bits, for processors that have them.
#pragma once
#include <cstdint>

namespace orthoscope {

// Columns of a weight that is laid out are taken so many at a time.
constexpr int64_t kWidePanel = 48;

// Up to so many rows a transposed weight is read where it lies; for more of them it is taken like any other.
constexpr int64_t kMostDots = 192;

// y [rows, cols] = x [rows, inner] · weight [inner, cols] (or its transpose where that is stored) + bias [cols] if not
// null. Strides are in floats; inner > 0.
void wideProduct(const float* x, int64_t xStride, const float* weight, int64_t weightStride, bool transposed,
                 const float* bias, float* y, int64_t yStride, int64_t rows, int64_t cols, int64_t inner);

}  // namespace orthoscope
