// Products of float32 matrices by Intel's matrix unit. It multiplies bf16 numbers, which have 8 significant bits, and
// adds in float32. So each factor is cut into two of them, x = x₁ + x₂ + at most 2⁻¹⁷|x|, and x·w taken as
// x₁w₁ + x₁w₂ + x₂w₁: what is left out is at most some 2⁻¹⁶ of a term, and below 10⁻⁵ of a product's norm. The unit
// takes numbers below 10⁻³⁸ for 0, so those below some 10⁻³⁵ have fewer bits; and infinity less itself makes a product
// with it, or with what bf16 rounds to it, no number.
// Three products at the unit's speed are still several times as fast as one at that of the vector units.
#include "amx.h"

#include <immintrin.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace orthoscope {
namespace {

// A tile register holds 16 rows of 64 bytes: 16 × 32 bf16 numbers of x, as many of the weight (16 pairs of rows by 16
// columns), or 16 × 16 sums.
constexpr int64_t kTile = 16, kStep = 32, kTileBytes = 1024;
// Two tiles down and two across are summed at a time; of either factor one step of that is four tiles: the first parts
// of two, then the second parts.
constexpr int64_t kPanel = 2 * kTile, kStepBytes = 4 * kTileBytes;
// As much of x is laid out at a time as stays in a core's second cache (2 MB); and of the weight as many columns as make
// several lines of memory of each row.
constexpr int64_t kRows = 288, kDepth = 768, kCols = 128;

int64_t up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// Near-equal parts of at most `most`, each but the last a multiple of `unit`.
int64_t part(int64_t n, int64_t most, int64_t unit) {
  const int64_t parts = std::max<int64_t>(1, (n + most - 1) / most);
  return up((n + parts - 1) / parts, unit);
}

// The compiler does not know that tiles are loaded from memory, nor what of it.
void settle() { asm volatile("" ::: "memory"); }

void configure() {
  struct alignas(64) {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t bytes[16] = {};
    uint8_t rows[16] = {};
  } shape;
  for (int tile = 0; tile < 8; tile++) {
    shape.bytes[tile] = 64;
    shape.rows[tile] = kTile;
  }
  asm volatile("ldtilecfg %0" ::"m"(shape));
}

__mmask16 first(int64_t n) { return n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1; }

// Cuts 32 numbers into their first and second parts, in the same order.
inline void cut(__m512 x0, __m512 x1, __m512i& large, __m512i& small) {
  large = (__m512i)_mm512_cvtne2ps_pbh(x1, x0);
  const __m512i large0 = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(large)), 16);
  const __m512i large1 = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(large, 1)), 16);
  small = (__m512i)_mm512_cvtne2ps_pbh(_mm512_sub_ps(x1, _mm512_castsi512_ps(large1)),
                                       _mm512_sub_ps(x0, _mm512_castsi512_ps(large0)));
}

// The same for 16 columns of two rows, the parts of a column side by side.
inline void cutPairs(__m512 x0, __m512 x1, __m512i& large, __m512i& small) {
  // Numbers of 16 bits at i and 16 + i become the pair i.
  const __m512i columns = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                           5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  cut(x0, x1, large, small);
  large = _mm512_permutexvar_epi16(columns, large);
  small = _mm512_permutexvar_epi16(columns, small);
}

inline void put(uint8_t* at, __m512i large, __m512i small) {
  _mm512_store_si512(at, large);
  _mm512_store_si512(at + 2 * kTileBytes, small);
}

// Lays out x [rows, depth]: panel after panel, in it step after step.
void layRows(const float* x, int64_t stride, int64_t rows, int64_t depth, uint8_t* out) {
  const int64_t steps = up(depth, kStep) / kStep;
  for (int64_t row = 0; row < up(rows, kPanel); row++) {
    uint8_t* to = out + row / kPanel * steps * kStepBytes + row / kTile % 2 * kTileBytes + row % kTile * 64;
    const float* from = x + row * stride;
    for (int64_t at = 0; at < depth; at += kStep, to += kStepBytes) {
      __m512i large = _mm512_setzero_si512(), small = large;
      if (row < rows && depth - at >= kStep) {
        cut(_mm512_loadu_ps(from + at), _mm512_loadu_ps(from + at + 16), large, small);
      } else if (row < rows)
        cut(_mm512_maskz_loadu_ps(first(depth - at), from + at),
            _mm512_maskz_loadu_ps(first(depth - at - 16), from + at + 16), large, small);
      put(to, large, small);
    }
  }
}

// Lays out a weight [depth, cols] in the same way by panels of columns.
void layColumns(const float* weight, int64_t stride, int64_t depth, int64_t cols, uint8_t* out) {
  const int64_t steps = up(depth, kStep) / kStep;
  for (int64_t row = 0; row < steps * kStep; row += 2) {
    uint8_t* to = out + row / kStep * kStepBytes + row / 2 % kTile * 64;
    const float* from = weight + row * stride;
    for (int64_t col = 0; col < up(cols, kPanel); col += kTile) {
      __m512i large, small;
      if (row + 1 < depth && cols - col >= kTile)
        cutPairs(_mm512_loadu_ps(from + col), _mm512_loadu_ps(from + stride + col), large, small);
      else
        cutPairs(_mm512_maskz_loadu_ps(row < depth ? first(cols - col) : 0, from + col),
                 _mm512_maskz_loadu_ps(row + 1 < depth ? first(cols - col) : 0, from + stride + col), large, small);
      put(to + col / kPanel * steps * kStepBytes + col / kTile % 2 * kTileBytes, large, small);
    }
  }
}

inline void transpose(__m512i (&x)[16]) {
  __m512i y[16];
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    y[i] = _mm512_shuffle_i32x4(x[i], x[4 + i], 0x88);
    y[4 + i] = _mm512_shuffle_i32x4(x[i], x[4 + i], 0xdd);
    y[8 + i] = _mm512_shuffle_i32x4(x[8 + i], x[12 + i], 0x88);
    y[12 + i] = _mm512_shuffle_i32x4(x[8 + i], x[12 + i], 0xdd);
  }
  for (int i = 0; i < 8; i++) {
    x[i] = _mm512_shuffle_i32x4(y[i], y[8 + i], 0x88);
    x[8 + i] = _mm512_shuffle_i32x4(y[i], y[8 + i], 0xdd);
  }
}

// The same of a weight that is stored as [cols, depth].
void layTransposed(const float* weight, int64_t stride, int64_t depth, int64_t cols, uint8_t* out) {
  const int64_t steps = up(depth, kStep) / kStep;
  for (int64_t col = 0; col < up(cols, kPanel); col += kTile) {
    uint8_t* to = out + col / kPanel * steps * kStepBytes + col / kTile % 2 * kTileBytes;
    for (int64_t at = 0; at < depth; at += kStep, to += kStepBytes) {
      __m512i large[16], small[16];
      for (int64_t i = 0; i < kTile; i++) {
        const int64_t left = col + i < cols ? depth - at : 0;
        const float* from = weight + (col + i) * stride + at;
        if (left >= kStep)
          cut(_mm512_loadu_ps(from), _mm512_loadu_ps(from + 16), large[i], small[i]);
        else
          cut(_mm512_maskz_loadu_ps(first(left), from), _mm512_maskz_loadu_ps(first(left - 16), from + 16), large[i],
              small[i]);
      }
      transpose(large);
      transpose(small);
      for (int64_t i = 0; i < kTile; i++) put(to + i * 64, large[i], small[i]);
    }
  }
}

// Adds a panel of x times one of the weight to the sums in tiles 0 to 3.
template <int Down>
inline void multiply(const uint8_t* x, const uint8_t* w, int64_t steps) {
  for (int64_t step = 0; step < steps; step++, x += kStepBytes, w += kStepBytes) {
    _tile_loadd(6, w, 64);
    _tile_loadd(4, x, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, w + kTileBytes, 64);
    _tile_dpbf16ps(1, 4, 7);
    if (Down > 1) {
      _tile_loadd(5, x + kTileBytes, 64);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    _tile_loadd(6, w + 2 * kTileBytes, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, w + 3 * kTileBytes, 64);
    _tile_dpbf16ps(1, 4, 7);
    if (Down > 1) {
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    _tile_loadd(6, w, 64);
    _tile_loadd(4, x + 2 * kTileBytes, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, w + kTileBytes, 64);
    _tile_dpbf16ps(1, 4, 7);
    if (Down > 1) {
      _tile_loadd(5, x + 3 * kTileBytes, 64);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
}

// Memory of a thread that lasts from product to product.
class Room {
 public:
  ~Room() { std::free(data_); }
  uint8_t* of(size_t bytes) {
    if (bytes > size_) {
      std::free(data_);
      data_ = static_cast<uint8_t*>(std::aligned_alloc(4096, up(bytes, 4096)));
      if (!data_) std::abort();
      size_ = bytes;
    }
    return data_;
  }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace

void amxProduct(const float* x, int64_t xStride, const float* weight, int64_t weightStride, bool transposed,
                const float* bias, float* y, int64_t yStride, int64_t rows, int64_t cols, int64_t inner) {
  thread_local Room forRows, forColumns;
  alignas(64) float corner[kPanel * kPanel], biases[kPanel];
  const int64_t tall = part(rows, kRows, kPanel), deep = part(inner, kDepth, kStep);
  configure();
  for (int64_t top = 0; top < rows; top += tall) {
    const int64_t height = std::min(tall, rows - top), panels = up(height, kPanel) / kPanel;
    for (int64_t from = 0; from < inner; from += deep) {
      const int64_t depth = std::min(deep, inner - from), steps = up(depth, kStep) / kStep;
      uint8_t* laidRows = forRows.of(panels * steps * kStepBytes);
      layRows(x + top * xStride + from, xStride, height, depth, laidRows);
      uint8_t* laidColumns = forColumns.of(kCols / kPanel * steps * kStepBytes);
      for (int64_t left = 0; left < cols; left += kCols) {
        const int64_t width = std::min(kCols, cols - left);
        if (transposed)
          layTransposed(weight + left * weightStride + from, weightStride, depth, width, laidColumns);
        else
          layColumns(weight + from * weightStride + left, weightStride, depth, width, laidColumns);
        for (int64_t col = left; col < left + width; col += kPanel) {
          const int64_t across = std::min(kPanel, cols - col);
          const uint8_t* w = laidColumns + (col - left) / kPanel * steps * kStepBytes;
          const bool biased = bias && from == 0;
          for (int64_t i = 0; biased && i < kPanel; i++) biases[i] = i < across ? bias[col + i] : 0;
          for (int64_t row = 0; row < height; row += kPanel) {
            const int64_t down = std::min(kPanel, height - row);
            float* sums = y + (top + row) * yStride + col;
            const bool whole = down == kPanel && across == kPanel;
            // Tiles are written whole: what ends within one goes by way of a corner of its own.
            float* to = whole ? sums : corner;
            const int64_t line = whole ? yStride * 4 : kPanel * 4;
            if (!whole && from > 0)
              for (int64_t i = 0; i < down; i++) std::memcpy(corner + i * kPanel, sums + i * yStride, across * 4);
            settle();
            if (from > 0) {
              _tile_loadd(0, to, line);
              _tile_loadd(1, to + kTile, line);
              _tile_loadd(2, to + kTile * line / 4, line);
              _tile_loadd(3, to + kTile * line / 4 + kTile, line);
            } else if (biased) {
              _tile_loadd(0, biases, 0);
              _tile_loadd(1, biases + kTile, 0);
              _tile_loadd(2, biases, 0);
              _tile_loadd(3, biases + kTile, 0);
            } else {
              _tile_zero(0);
              _tile_zero(1);
              _tile_zero(2);
              _tile_zero(3);
            }
            const uint8_t* laid = laidRows + row / kPanel * steps * kStepBytes;
            if (down > kTile)
              multiply<2>(laid, w, steps);
            else
              multiply<1>(laid, w, steps);
            _tile_stored(0, to, line);
            _tile_stored(1, to + kTile, line);
            _tile_stored(2, to + kTile * line / 4, line);
            _tile_stored(3, to + kTile * line / 4 + kTile, line);
            settle();
            if (!whole)
              for (int64_t i = 0; i < down; i++) std::memcpy(sums + i * yStride, corner + i * kPanel, across * 4);
          }
        }
      }
    }
  }
  _tile_release();
}

}  // namespace orthoscope
