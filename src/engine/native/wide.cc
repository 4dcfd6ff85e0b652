// Products of float32 matrices by vectors of 512 bits. OpenBLAS lays out both factors before it multiplies. Here rows are
// read where they lie; the next part of a weight is fetched from memory and laid out while they are multiplied by the one
// before it, or it is read where it lies as well, where it is stored transposed and rows are few.
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

// Memory that is read soon, a line at a time: of each of 2^shift places, `inner` floats apart, the first line, then of each
// the one that follows `outer` floats later.
struct Ahead {
  const float* data;
  int64_t inner, outer;
  int shift;

  void fetch(int64_t line) const {
    const int64_t at = (line >> shift) * outer + (line & ((int64_t{1} << shift) - 1)) * inner;
    _mm_prefetch(data + at, _MM_HINT_T1);
  }
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

// A tile: `Down` rows of x, xStride apart, by a panel [depth, kPanel], of which `width` columns count. Its place in y is
// fetched while it is multiplied: rows of y may be so far apart that few of them stay in a cache side by side.
template <int Down>
[[gnu::noinline]] void multiply(const float* x, int64_t xStride, const float* panel, int64_t depth, Start start, float* y,
                                int64_t yStride, int64_t width, Ahead ahead) {
  __m512 sums[Down][kAcross];
  __mmask16 masks[kAcross];
#pragma GCC unroll 3
  for (int j = 0; j < kAcross; j++) masks[j] = first(width - kVector * j);
#pragma GCC unroll 8
  for (int i = 0; i < Down; i++)
#pragma GCC unroll 3
    for (int j = 0; j < kAcross; j++) {
      _mm_prefetch(y + i * yStride + kVector * j, _MM_HINT_T0);
      sums[i][j] = _mm512_setzero_ps();
    }
  for (int64_t k = 0; k < depth; k++) {
    __m512 columns[kAcross];
#pragma GCC unroll 3
    for (int j = 0; j < kAcross; j++) columns[j] = _mm512_load_ps(panel + k * kPanel + kVector * j);
    ahead.fetch(k);
#pragma GCC unroll 8
    for (int i = 0; i < Down; i++) {
      const __m512 factor = _mm512_set1_ps(x[i * xStride + k]);
#pragma GCC unroll 3
      for (int j = 0; j < kAcross; j++) sums[i][j] = _mm512_fmadd_ps(factor, columns[j], sums[i][j]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Down; i++) {
    float* const to = y + i * yStride;
#pragma GCC unroll 3
    for (int j = 0; j < kAcross; j++)
      _mm512_mask_storeu_ps(to + kVector * j, masks[j], _mm512_add_ps(start.at(kVector * j, masks[j], to), sums[i][j]));
  }
}

template <int Down = kDown, typename... Rest>
inline void multiplyRows(int64_t down, Rest... rest) {
  if constexpr (Down > 1) {
    if (down < Down) return multiplyRows<Down - 1>(down, rest...);
  }
  multiply<Down>(rest...);
}

// Sixteen rows of sixteen floats become columns.
inline void turn(__m512 (&rows)[kVector]) {
  __m512 pairs[kVector], fours[kVector];
#pragma GCC unroll 8
  for (int i = 0; i < kVector; i += 2) {
    pairs[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kVector; i += 4)
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      const __m512d a = _mm512_castps_pd(pairs[i + j]), b = _mm512_castps_pd(pairs[i + j + 2]);
      fours[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
      fours[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
  // In fours[4·g + c] quarter q is what rows 4·g … 4·g + 3 have in column 4·q + c.
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    const __m512 low = _mm512_shuffle_f32x4(fours[c], fours[4 + c], 0x44);
    const __m512 high = _mm512_shuffle_f32x4(fours[c], fours[4 + c], 0xee);
    const __m512 lowRest = _mm512_shuffle_f32x4(fours[8 + c], fours[12 + c], 0x44);
    const __m512 highRest = _mm512_shuffle_f32x4(fours[8 + c], fours[12 + c], 0xee);
    rows[c] = _mm512_shuffle_f32x4(low, lowRest, 0x88);
    rows[4 + c] = _mm512_shuffle_f32x4(low, lowRest, 0xdd);
    rows[8 + c] = _mm512_shuffle_f32x4(high, highRest, 0x88);
    rows[12 + c] = _mm512_shuffle_f32x4(high, highRest, 0xdd);
  }
}

// A part of a weight that is multiplied by at a time.
struct Panel {
  int64_t left, from, width, depth;
};

// The order in which they are taken.
struct Order {
  int64_t cols, inner, deep;

  Panel at(int64_t left, int64_t from) const { return {left, from, least(kPanel, cols - left), least(deep, inner - from)}; }

  Panel after(Panel own) const {
    const int64_t group = own.left / kGroup * kGroup, left = own.left + kPanel;
    if (left < least(cols, group + kGroup)) return at(left, own.from);
    if (own.from + deep < inner) return at(group, own.from + deep);
    return at(group + kGroup, 0);
  }
};

// [inner, cols], or [cols, inner] where it is stored transposed. It is laid out row by row, `stride` floats apart, of
// which a panel has `extent`.
struct Weight {
  const float* data;
  int64_t stride;
  bool transposed;

  const float* at(Panel panel, int64_t row) const {
    const int64_t own = row + (transposed ? panel.left : panel.from);
    return data + own * stride + (transposed ? panel.from : panel.left);
  }

  int64_t extent(Panel panel) const { return transposed ? panel.width : panel.depth; }

  // As many rows as have their lines fetched while a tile is multiplied by another panel.
  int64_t atOnce(Panel during) const { return transposed ? kVector : (during.depth + kAcross) / (kAcross + 1); }

  // Unless they begin at a line a panel's columns touch one line more of each row than they fill.
  Ahead ahead(Panel panel, int64_t row) const {
    static_assert(kAcross == 3 && kVector == 16, "a power of 2 of places");
    if (transposed) return {at(panel, row), stride, kLine, 4};
    return {at(panel, row), kLine, stride, 2};
  }

  void lay(Panel panel, int64_t row, int64_t count, float* to) const {
    if (transposed)
      for (int64_t end = row + count; row < end; row += kVector) layTurned(panel, row, to + row);
    else
      for (int64_t end = row + count; row < end; row++)
        for (int64_t j = 0; j < kPanel; j += kVector)
          _mm512_store_ps(to + row * kPanel + j, _mm512_maskz_loadu_ps(first(panel.width - j), at(panel, row) + j));
  }

 private:
  // Past the last row it is laid out again, and nobody reads the sums.
  void layTurned(Panel panel, int64_t row, float* to) const {
    for (int64_t k = 0; k < panel.depth; k += kVector) {
      __m512 rows[kVector];
#pragma GCC unroll 16
      for (int i = 0; i < kVector; i++)
        rows[i] = _mm512_maskz_loadu_ps(first(panel.depth - k), at(panel, least(row + i, panel.width - 1)) + k);
      turn(rows);
#pragma GCC unroll 16
      for (int i = 0; i < kVector; i++) _mm512_store_ps(to + (k + i) * kPanel, rows[i]);
    }
  }
};

void byPanels(const float* x, int64_t xStride, Weight weight, const float* bias, float* y, int64_t yStride, int64_t rows,
              int64_t cols, int64_t inner) {
  static_assert(kDepth % kVector == 0, "a turned panel is laid out by whole vectors");
  alignas(64) thread_local float panels[2][kDepth * kPanel];
  float *laid = panels[0], *free = panels[1];
  const Order order{cols, inner, part(inner, kDepth)};
  Panel own = order.at(0, 0);
  weight.lay(own, 0, weight.extent(own), laid);
  while (own.left < cols) {
    const Panel next = order.after(own);
    const int64_t extent = next.left < cols ? weight.extent(next) : 0, atOnce = weight.atOnce(own);
    int64_t done = 0;
    for (int64_t row = 0; row < rows; row += kDown) {
      const int64_t count = row + kDown < rows ? least(atOnce, extent - done) : extent - done;
      multiplyRows(least(kDown, rows - row), x + row * xStride + own.from, xStride, laid, own.depth,
                   Start{bias ? bias + own.left : nullptr, own.from > 0}, y + row * yStride + own.left, yStride, own.width,
                   count > 0 ? weight.ahead(next, done) : Ahead{x, 0, 0, 0});
      weight.lay(next, done, count, free);
      done += count;
    }
    float* const multiplied = laid;
    laid = free;
    free = multiplied;
    own = next;
  }
}

// Where rows are few a transposed weight, which has its columns in rows, is not laid out: a sum is that of two rows'
// products, sixteen at a time, and 4 rows of x by 6 columns are summed at once. So many columns of all depths are done
// before the next ones, whose rows' sums stay in the first cache.
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
          dots(factors, depth, {next < kColsAtOnce ? column(left + kColsAtOnce + next) : factors.x[0], 0, 1, 0}, sums);
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
  if (transposed && rows <= kMostDots)
    byDots(x, xStride, weight, weightStride, bias, y, yStride, rows, cols, inner);
  else
    byPanels(x, xStride, {weight, weightStride, transposed}, bias, y, yStride, rows, cols, inner);
}

}  // namespace orthoscope
