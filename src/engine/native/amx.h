// Products by Intel's matrix unit (AMX), for processors that have it.
#pragma once
#include <cstdint>

namespace orthoscope {

// y [rows, cols] = x [rows, inner] · weight [inner, cols] (or its transpose where that is stored) + bias [cols] if not
// null. Strides are in floats; inner > 0. The process must have been given the unit (fused.cc).
void amxProduct(const float* x, int64_t xStride, const float* weight, int64_t weightStride, bool transposed,
                const float* bias, float* y, int64_t yStride, int64_t rows, int64_t cols, int64_t inner);

}  // namespace orthoscope
