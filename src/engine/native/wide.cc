// Products of float32 matrices by vectors of 512 bits. OpenBLAS lays out both factors before it multiplies, which
// weighs where rows are few. Here a weight is laid out while the first rows are multiplied by it, and not at all where it
// is stored transposed; what comes next of it is fetched from memory meanwhile.
// No function here may come from the standard library, as in fused.h.
#include "wide.h"

#include <immintrin.h>

namespace orthoscope {
namespace {

constexpr int64_t kVector = 16, kLine = 16;

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

inline __mmask16 first(int64_t n) { return n >= kVector ? 0xffff : n <= 0 ? 0 : (1u << n) - 1; }

// Near-equal parts of at most `most`, each but the last a multiple of a vector.
inline int64_t part(int64_t n, int64_t most) {
  const int64_t parts = (n + most - 1) / most;
  return ((n + parts - 1) / parts + kVector - 1) / kVector * kVector;
}

// Memory that is read soon: line after line, `stride` floats apart.
struct Ahead {
  const float* data;
  int64_t stride;

  void fetch(int64_t line) const { _mm_prefetch(data + line * stride, _MM_HINT_T1); }
};

// What a tile's sums begin with: what is there, a bias or zeros.
struct Start {
  const float* bias;
  bool further;

  __m512 at(int64_t col, __mmask16 mask, const float* y) const {
    if (further) return _mm512_maskz_loadu_ps(mask, y + col);
    return bias ? _mm512_maskz_loadu_ps(mask, bias + col) : _mm512_setzero_ps();
  }
};

// Of a weight so many rows and columns are laid out at a time as stay in the second cache beside as much of x, and so
// many columns of all rows are read before the next ones as make several lines of memory of each row. A tile's sums are
// kept in registers: 8 rows by 3 vectors.
constexpr int64_t kDepth = 384, kDown = 8, kPanel = kWidePanel, kAcross = kPanel / kVector, kGroup = 4 * kPanel;

// A tile: `Down` rows of x, xStride apart, by a panel [depth, kPanel], of which `width` columns count. Unless the weight
// is laid out already the panel is filled from there.
template <int Down, bool Lays>
[[gnu::noinline]] void multiply(const float* x, int64_t xStride, const float* weight, int64_t weightStride, float* panel,
                                int64_t depth, Start start, float* y, int64_t yStride, int64_t width, Ahead ahead) {
  __m512 sums[Down][kAcross];
  __mmask16 masks[kAcross];
#pragma GCC unroll 3
  for (int j = 0; j < kAcross; j++) masks[j] = first(width - kVector * j);
#pragma GCC unroll 8
  for (int i = 0; i < Down; i++)
#pragma GCC unroll 3
    for (int j = 0; j < kAcross; j++) sums[i][j] = start.at(kVector * j, masks[j], y + i * yStride);
  for (int64_t k = 0; k < depth; k++) {
    __m512 columns[kAcross];
    float* const laid = panel + k * kPanel;
#pragma GCC unroll 3
    for (int j = 0; j < kAcross; j++) {
      if (Lays) _mm512_store_ps(laid + kVector * j, _mm512_maskz_loadu_ps(masks[j], weight + k * weightStride + kVector * j));
      columns[j] = _mm512_load_ps(laid + kVector * j);
    }
    if (!Lays) ahead.fetch(k);
#pragma GCC unroll 8
    for (int i = 0; i < Down; i++) {
      const __m512 factor = _mm512_set1_ps(x[i * xStride + k]);
#pragma GCC unroll 3
      for (int j = 0; j < kAcross; j++) sums[i][j] = _mm512_fmadd_ps(factor, columns[j], sums[i][j]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Down; i++)
#pragma GCC unroll 3
    for (int j = 0; j < kAcross; j++) _mm512_mask_storeu_ps(y + i * yStride + kVector * j, masks[j], sums[i][j]);
}

template <bool Lays, int Down = kDown, typename... Rest>
inline void multiplyRows(int64_t down, Rest... rest) {
  if constexpr (Down > 1) {
    if (down < Down) return multiplyRows<Lays, Down - 1>(down, rest...);
  }
  multiply<Down, Lays>(rest...);
}

void byPanels(const float* x, int64_t xStride, const float* weight, int64_t weightStride, const float* bias, float* y,
              int64_t yStride, int64_t rows, int64_t cols, int64_t inner) {
  alignas(64) thread_local float panel[kDepth * kPanel];
  const int64_t deep = part(inner, kDepth);
  for (int64_t group = 0; group < cols; group += kGroup)
    for (int64_t from = 0; from < inner; from += deep)
      for (int64_t left = group; left < least(cols, group + kGroup); left += kPanel) {
        const int64_t depth = least(deep, inner - from), width = least(kPanel, cols - left);
        const Start start{bias ? bias + left : nullptr, from > 0};
        // The panel after this one, as it follows in the loops above.
        int64_t nextLeft = left + kPanel, nextFrom = from;
        if (nextLeft >= least(cols, group + kGroup)) {
          nextLeft = group;
          nextFrom = from + deep;
        }
        if (nextFrom >= inner) {
          nextLeft = group + kGroup;
          nextFrom = 0;
        }
        const bool another = nextLeft < cols && inner - nextFrom >= depth;
        for (int64_t row = 0; row < rows; row += kDown) {
          // Unless they begin at a line a panel's columns touch one line more of each row than they fill.
          const int64_t line = row / kDown - 1;
          const bool fetches = another && line <= kAcross;
          const float* corner = weight + nextFrom * weightStride + least(nextLeft + line * kLine, cols - 1);
          const Ahead ahead{fetches ? corner : x, fetches ? weightStride : 0};
          const float* own = x + row * xStride + from;
          const float* columns = weight + from * weightStride + left;
          float* to = y + row * yStride + left;
          const int64_t down = least(kDown, rows - row);
          if (row == 0)
            multiplyRows<true>(down, own, xStride, columns, weightStride, panel, depth, start, to, yStride, width, ahead);
          else
            multiplyRows<false>(down, own, xStride, columns, weightStride, panel, depth, start, to, yStride, width, ahead);
        }
      }
}

// A transposed weight has its columns in rows: a sum is that of two rows' products, sixteen at a time, and 4 rows of x by
// 6 columns are summed at once. So many columns of all depths are done before the next ones, whose rows' sums stay in the
// first cache.
constexpr int64_t kRowsAtOnce = 4, kColsAtOnce = 6, kLongest = 1024, kColumns = 16 * kColsAtOnce;

// In each quarter of a vector the sums over it of a, b, c and d.
inline __m512 quarters(__m512 a, __m512 b, __m512 c, __m512 d) {
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  const __m512d left = _mm512_castps_pd(ab), right = _mm512_castps_pd(cd);
  return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(left, right)),
                       _mm512_castpd_ps(_mm512_unpackhi_pd(left, right)));
}

// Two quarters of a added up, the two others, and the same of b.
inline __m512 halves(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

struct Factors {
  const float* x[kRowsAtOnce];
  const float* weight[kColsAtOnce];
};

// Of each row with the first four columns its sums, then those with the last two.
struct alignas(64) Sums {
  float four[kRowsAtOnce][4], two[2 * kRowsAtOnce][2];
};

[[gnu::noinline]] void dots(const Factors& factors, int64_t depth, Ahead ahead, Sums& out) {
  __m512 sums[kRowsAtOnce][kColsAtOnce];
#pragma GCC unroll 4
  for (int i = 0; i < kRowsAtOnce; i++)
#pragma GCC unroll 6
    for (int j = 0; j < kColsAtOnce; j++) sums[i][j] = _mm512_setzero_ps();
  const auto step = [&sums, factors](int64_t k, __mmask16 mask) __attribute__((always_inline)) {
    __m512 own[kRowsAtOnce];
#pragma GCC unroll 4
    for (int i = 0; i < kRowsAtOnce; i++) own[i] = _mm512_maskz_loadu_ps(mask, factors.x[i] + k);
#pragma GCC unroll 6
    for (int j = 0; j < kColsAtOnce; j++) {
      const __m512 column = _mm512_maskz_loadu_ps(mask, factors.weight[j] + k);
#pragma GCC unroll 4
      for (int i = 0; i < kRowsAtOnce; i++) sums[i][j] = _mm512_fmadd_ps(own[i], column, sums[i][j]);
    }
  };
  int64_t k = 0;
  for (; k + kVector <= depth; k += kVector) {
    ahead.fetch(k);
    step(k, 0xffff);
  }
  if (k < depth) step(k, first(depth - k));
  __m512 four[kRowsAtOnce], two[2];
#pragma GCC unroll 4
  for (int i = 0; i < kRowsAtOnce; i++) four[i] = quarters(sums[i][0], sums[i][1], sums[i][2], sums[i][3]);
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++)
    two[i] = quarters(sums[2 * i][4], sums[2 * i][5], sums[2 * i + 1][4], sums[2 * i + 1][5]);
  const __m512 rest = halves(two[0], two[1]);
  _mm512_store_ps(out.four[0], halves(halves(four[0], four[1]), halves(four[2], four[3])));
  _mm512_store_ps(out.two[0], halves(rest, rest));
}

void byDots(const float* x, int64_t xStride, const float* weight, int64_t weightStride, const float* bias, float* y,
            int64_t yStride, int64_t rows, int64_t cols, int64_t inner) {
  const int64_t deep = part(inner, kLongest);
  Factors factors;
  Sums sums;
  for (int64_t group = 0; group < cols; group += kColumns)
    for (int64_t from = 0; from < inner; from += deep)
      for (int64_t left = group; left < least(cols, group + kColumns); left += kColsAtOnce) {
        const int64_t depth = least(deep, inner - from), width = least(kColsAtOnce, cols - left);
        const auto column = [=](int64_t col) { return weight + least(col, cols - 1) * weightStride + from; };
        const Start start{bias ? bias + left : nullptr, from > 0};
        const __mmask16 mask = first(width);
        // Past the end the last one is multiplied again, and nobody reads the sums.
        for (int64_t j = 0; j < kColsAtOnce; j++) factors.weight[j] = column(left + j);
        for (int64_t row = 0; row < rows; row += kRowsAtOnce) {
          for (int64_t i = 0; i < kRowsAtOnce; i++) factors.x[i] = x + least(row + i, rows - 1) * xStride + from;
          const int64_t next = row / kRowsAtOnce;
          dots(factors, depth, {next < kColsAtOnce ? column(left + kColsAtOnce + next) : factors.x[0], 1}, sums);
          float* to = y + row * yStride + left;
          for (int64_t i = 0; i < least(kRowsAtOnce, rows - row); i++, to += yStride) {
            const __m512 four = _mm512_maskz_loadu_ps(first(4), sums.four[i]);
            const __m512 own = _mm512_mask_loadu_ps(four, first(6) ^ first(4), sums.two[i] - 4);
            _mm512_mask_storeu_ps(to, mask, _mm512_add_ps(start.at(0, mask, to), own));
          }
        }
      }
}

}  // namespace

void wideProduct(const float* x, int64_t xStride, const float* weight, int64_t weightStride, bool transposed,
                 const float* bias, float* y, int64_t yStride, int64_t rows, int64_t cols, int64_t inner) {
  const auto way = transposed ? byDots : byPanels;
  way(x, xStride, weight, weightStride, bias, y, yStride, rows, cols, inner);
}

}  // namespace orthoscope
