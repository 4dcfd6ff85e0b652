// The loops themselves, plain enough for a compiler to turn into vectors. Compiled once per instruction set, each time
// with another name for LOOPS.
#include "fused.h"

namespace orthoscope {
namespace {

// Sums run in so many lanes: a compiler may not reorder additions by itself.
constexpr int kLanes = 16;

inline float fromBits(int32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, 4);
  return x;
}

inline int32_t bitsOf(float x) {
  int32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return bits;
}

// e^x to 2 units in the last place; 0 below −87, where it would no longer be a normal number. x = n·ln 2 + r, and e^r
// by its Taylor series.
inline float expOf(float x) {
  const float held = x > 88.f ? 88.f : x < -87.f ? -87.f : x;
  const float shifted = held * 1.442695041f + 12582912.f;  // 1.5·2²³: the sum's last bits are the nearest integer
  const float n = shifted - 12582912.f;
  const float r = (held - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.f / 5040;
  p = p * r + 1.f / 720;
  p = p * r + 1.f / 120;
  p = p * r + 1.f / 24;
  p = p * r + 1.f / 6;
  p = p * r + .5f;
  p = p * r + 1.f;
  p = p * r + 1.f;
  const float power = fromBits((bitsOf(shifted) - bitsOf(12582912.f) + 127) << 23);
  return x < -87.f ? 0.f : p * power;
}

inline float sigmoidOf(float x) { return 1.f / (1.f + expOf(-x)); }

struct Value {
  float y;
  float slope;
};

inline Value relu(float x) { return {x > 0 ? x : 0.f, x > 0 ? 1.f : 0.f}; }

inline Value silu(float x) {
  const float s = sigmoidOf(x);
  return {x * s, s * (1.f + x * (1.f - s))};
}

// x·s(v) with s the sigmoid and v = 2√(2/π)(x + 0.044715x³).
inline Value geluNew(float x) {
  constexpr float linear = 1.5957691216f, cubic = .044715f * linear;
  const float square = x * x;
  const float s = sigmoidOf(x * (linear + cubic * square));
  return {x * s, s * (1.f + x * (1.f - s) * (linear + 3.f * cubic * square))};
}

// x·Φ(x). Φ by e^(x²)·erfc(x) = t·p(t), t = 1/(1 + 0.37x): p fitted by least squares at Chebyshev points of
// 0 ≤ x ≤ 9.2, where it errs by at most 2·10⁻⁸ of the value.
inline Value gelu(float x) {
  const float z = __builtin_fabsf(x) * .70710678f;
  const float t = 1.f / (1.f + .37f * z);
  float p = .06303548f;
  p = p * t - .30853888f;
  p = p * t + .49743919f;
  p = p * t - .29713075f;
  p = p * t + .3187767f;
  p = p * t + .10319229f;
  p = p * t + .20709179f;
  p = p * t + .20731364f;
  p = p * t + .20882054f;
  const float bell = expOf(-.5f * x * x);
  const float tail = .5f * t * p * bell;
  const float area = x < 0 ? tail : 1.f - tail;
  return {x * area, area + x * .39894228f * bell};
}

// A loop for each function, so that none asks inside it which one it is.
template <typename Each>
inline void byKind(int kind, Each each) {
  if (kind == kRelu) each(relu);
  if (kind == kSilu) each(silu);
  if (kind == kGeluNew) each(geluNew);
  if (kind == kGelu) each(gelu);
}

void activate(int kind, const float* __restrict x, float* __restrict y, int64_t n) {
  byKind(kind, [=](auto f) {
    for (int64_t i = 0; i < n; i++) y[i] = f(x[i]).y;
  });
}

void activatePull(int kind, const float* __restrict dy, const float* __restrict x, float* __restrict dx, int64_t n) {
  byKind(kind, [=](auto f) {
    for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * f(x[i]).slope;
  });
}

void gate(int kind, const float* __restrict g, const float* __restrict up, float* __restrict y, int64_t n) {
  byKind(kind, [=](auto f) {
    for (int64_t i = 0; i < n; i++) y[i] = f(g[i]).y * up[i];
  });
}

void gatePull(int kind, const float* __restrict dy, const float* __restrict g, const float* __restrict up,
              float* __restrict dGate, float* __restrict dUp, int64_t n) {
  byKind(kind, [=](auto f) {
    for (int64_t i = 0; i < n; i++) {
      const Value value = f(g[i]);
      dGate[i] = dy[i] * up[i] * value.slope;
      dUp[i] = dy[i] * value.y;
    }
  });
}

template <typename Term>
inline float sum(int64_t n, Term term) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int lane = 0; lane < kLanes; lane++) lanes[lane] += term(i + lane);
  float total = 0;
  for (; i < n; i++) total += term(i);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  return total + lanes[0];
}

void normalise(const float* x, float* y, float* rate, int64_t rows, int64_t width, float epsilon, bool centred) {
  for (int64_t row = 0; row < rows; row++, x += width, y += width) {
    const float* __restrict from = x;
    float* __restrict to = y;
    const float mean = centred ? sum(width, [=](int64_t i) { return from[i]; }) / width : 0.f;
    const float power = sum(width, [=](int64_t i) { return (from[i] - mean) * (from[i] - mean); }) / width;
    const float factor = 1.f / __builtin_sqrtf(power + epsilon);
    rate[row] = factor;
    for (int64_t i = 0; i < width; i++) to[i] = (from[i] - mean) * factor;
  }
}

void normalisePull(const float* dy, const float* y, const float* rate, const float* onto, float* dx, int64_t rows,
                   int64_t width, bool centred) {
  for (int64_t row = 0; row < rows; row++, dy += width, y += width, dx += width) {
    const float* __restrict gradient = dy;
    const float* __restrict value = y;
    float* __restrict to = dx;
    const float mean = centred ? sum(width, [=](int64_t i) { return gradient[i]; }) / width : 0.f;
    const float along = sum(width, [=](int64_t i) { return gradient[i] * value[i]; }) / width;
    const float factor = rate[row];
    if (onto) {
      const float* __restrict base = onto + row * width;
      for (int64_t i = 0; i < width; i++) to[i] = base[i] + (gradient[i] - mean - value[i] * along) * factor;
    } else
      for (int64_t i = 0; i < width; i++) to[i] = (gradient[i] - mean - value[i] * along) * factor;
  }
}

void softmax(const float* __restrict s, const float* __restrict bias, float* __restrict w, int64_t width,
             float scale) {
  float most = -3.4e38f;
  for (int64_t i = 0; i < width; i++) {
    w[i] = s[i] * scale + bias[i];
    most = w[i] > most ? w[i] : most;
  }
  for (int64_t i = 0; i < width; i++) w[i] = expOf(w[i] - most);
  const float factor = 1.f / sum(width, [=](int64_t i) { return w[i]; });
  for (int64_t i = 0; i < width; i++) w[i] *= factor;
}

void softmaxPull(const float* dw, const float* w, float* ds, int64_t rows, int64_t width, float scale) {
  for (int64_t row = 0; row < rows; row++, dw += width, w += width, ds += width) {
    const float* gradient = dw;
    const float* __restrict weight = w;
    float* to = ds;  // may be the gradient's own place
    const float own = sum(width, [=](int64_t i) { return gradient[i] * weight[i]; });
    for (int64_t i = 0; i < width; i++) to[i] = weight[i] * (gradient[i] - own) * scale;
  }
}

float largest(const float* __restrict x, int64_t width) {
  float lanes[kLanes];
  for (float& lane : lanes) lane = -3.4e38f;
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes)
    for (int lane = 0; lane < kLanes; lane++) lanes[lane] = x[i + lane] > lanes[lane] ? x[i + lane] : lanes[lane];
  float most = -3.4e38f;
  for (; i < width; i++) most = x[i] > most ? x[i] : most;
  for (float lane : lanes) most = lane > most ? lane : most;
  return most;
}

float exponentials(const float* __restrict x, int64_t width, float shift) {
  return sum(width, [=](int64_t i) { return expOf(x[i] - shift); });
}

float divergence(const float* __restrict s, const float* __restrict t, float* __restrict d, int64_t width,
                 Weighted ofS, Weighted ofT, float between, float factor) {
  const auto weighed = [](float x, Weighted how) { return how.factor * expOf(x - how.shift); };
  if (!d) return sum(width, [=](int64_t i) { return weighed(t[i], ofT) * (t[i] - s[i] - between); });
  return sum(width, [=](int64_t i) {
    const float expected = weighed(t[i], ofT);
    d[i] = factor * (weighed(s[i], ofS) - expected);
    return expected * (t[i] - s[i] - between);
  });
}

// As many floats as the instruction set has in a register. Sums in such vectors stay there, where a compiler might keep
// those of a loop over an array in memory.
#if defined(__AVX512F__)
constexpr int kWide = 16;
#elif defined(__AVX__)
constexpr int kWide = 8;
#else
constexpr int kWide = 4;
#endif
typedef float Vector __attribute__((vector_size(4 * kWide)));
typedef float Four __attribute__((vector_size(16)));

template <typename Kind>
inline Kind load(const float* x) {
  Kind vector;
  __builtin_memcpy(&vector, x, sizeof vector);
  return vector;
}

template <typename Kind>
inline void store(float* x, Kind vector) {
  __builtin_memcpy(x, &vector, sizeof vector);
}

// Of two fours the first halves, or the last, in turn.
inline Four firsts(Four a, Four b) { return Four{a[0], b[0], a[1], b[1]}; }

inline Four lasts(Four a, Four b) { return Four{a[2], b[2], a[3], b[3]}; }

// [keys, n] turned to [n, padded], zeros behind the keys.
inline void turn(Rows from, int64_t keys, int64_t n, int64_t padded, float* __restrict to) {
  for (int64_t key = 0; key < padded; key += 4) {
    const int64_t left = keys - key;
    const float* const row = from.data + key * from.stride;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
      const Four a = left > 0 ? load<Four>(row + i) : Four{}, b = left > 1 ? load<Four>(row + from.stride + i) : Four{};
      const Four c = left > 2 ? load<Four>(row + 2 * from.stride + i) : Four{};
      const Four d = left > 3 ? load<Four>(row + 3 * from.stride + i) : Four{};
      float* const corner = to + i * padded + key;
      store(corner, firsts(firsts(a, c), firsts(b, d)));
      store(corner + padded, lasts(firsts(a, c), firsts(b, d)));
      store(corner + 2 * padded, firsts(lasts(a, c), lasts(b, d)));
      store(corner + 3 * padded, lasts(lasts(a, c), lasts(b, d)));
    }
    for (; i < n; i++)
      for (int one = 0; one < 4; one++) to[i * padded + key + one] = one < left ? row[one * from.stride + i] : 0.f;
  }
}

// So many queries meet the same keys at a time: their sums need not wait for each other.
constexpr int kQueries = 6;

// sums[row, key] = Σ_i x[row, i]·turned[i, key] of at most kQueries rows, for keys that are seen and some after them.
inline void againstAll(Rows x, int64_t rows, const float* __restrict turned, int64_t n, int64_t seen, int64_t padded,
                       float* __restrict sums) {
  constexpr int kSide = kWide < kLanes ? 2 : 1;
  const float* own[kQueries];
  for (int row = 0; row < kQueries; row++) own[row] = x.data + (row < rows ? row : rows - 1) * x.stride;
  for (int64_t from = 0; from < seen; from += kSide * kWide) {
    Vector parts[kQueries][kSide] = {};
    for (int64_t i = 0; i < n; i++) {
      Vector columns[kSide];
      for (int side = 0; side < kSide; side++) columns[side] = load<Vector>(turned + i * padded + from + side * kWide);
      for (int row = 0; row < kQueries; row++)
        for (int side = 0; side < kSide; side++) parts[row][side] += own[row][i] * columns[side];
    }
    for (int row = 0; row < kQueries; row++)
      for (int side = 0; side < kSide && row < rows; side++)
        store(sums + row * padded + from + side * kWide, parts[row][side]);
  }
}

struct Range {
  int64_t first, end;
};

// to[i] = Σ_row factors[row·step]·rows[row, i] over a range of rows, added to what is there if so wanted. For two rows
// of factors at a time, whose ranges are alike: both need the same rows.
struct Weighing {
  const float* factors;
  Range range;
  float* to;
};

template <int kVectors>
[[gnu::always_inline]] inline void weightedPart(Weighing a, Weighing b, int64_t step, Rows rows, int64_t from,
                                                bool further) {
  const int64_t first = a.range.first > b.range.first ? a.range.first : b.range.first;
  const int64_t end = a.range.end < b.range.end ? a.range.end : b.range.end;
  Vector ofA[kVectors] = {}, ofB[kVectors] = {};
  for (int i = 0; i < kVectors && further; i++) {
    ofA[i] = load<Vector>(a.to + from + i * kWide);
    ofB[i] = load<Vector>(b.to + from + i * kWide);
  }
  const auto add = [&](Vector(&sums)[kVectors], Weighing own, int64_t row) __attribute__((always_inline)) {
    const float* values = rows.data + row * rows.stride + from;
    for (int i = 0; i < kVectors; i++) sums[i] += own.factors[row * step] * load<Vector>(values + i * kWide);
  };
  for (int64_t row = a.range.first; row < first; row++) add(ofA, a, row);
  for (int64_t row = b.range.first; row < first; row++) add(ofB, b, row);
  for (int64_t row = first; row < end; row++) {
    add(ofA, a, row);
    add(ofB, b, row);
  }
  for (int64_t row = end; row < a.range.end; row++) add(ofA, a, row);
  for (int64_t row = end; row < b.range.end; row++) add(ofB, b, row);
  for (int i = 0; i < kVectors; i++) {
    store(a.to + from + i * kWide, ofA[i]);
    store(b.to + from + i * kWide, ofB[i]);
  }
}

inline void weightedRest(Weighing one, int64_t step, Rows rows, int64_t from, int64_t n, bool further) {
  for (int64_t i = from; i < n; i++) {
    float total = further ? one.to[i] : 0.f;
    for (int64_t row = one.range.first; row < one.range.end; row++)
      total += one.factors[row * step] * rows.data[row * rows.stride + i];
    one.to[i] = total;
  }
}

// Inlined, as its callers put together what it takes apart.
[[gnu::always_inline]] inline void weighted(Weighing a, Weighing b, int64_t step, Rows rows, int64_t n, bool further) {
  int64_t from = 0;
  for (; from + 4 * kWide <= n; from += 4 * kWide) weightedPart<4>(a, b, step, rows, from, further);
  for (; from + kWide <= n; from += kWide) weightedPart<1>(a, b, step, rows, from, further);
  if (from == n) return;
  weightedRest(a, step, rows, from, n, further);
  if (b.to != a.to) weightedRest(b, step, rows, from, n, further);
}

inline int64_t paddedKeys(const Head& head) { return (head.keys + kLanes - 1) / kLanes * kLanes; }

inline int64_t seenBy(const Head& head, int64_t query) { return head.keys - head.queries + query + 1; }

// w = softmax(scale·s + bias) of keys that are seen; s is written to as well, and as long as there are lanes.
inline void weigh(float* __restrict s, const float* __restrict bias, float* __restrict w, int64_t seen, float scale) {
  float most = -3.4e38f;
  for (int64_t from = 0; from < seen; from += kLanes) {
    const int count = seen - from < kLanes ? seen - from : kLanes;
    float* const scores = s + from;
    for (int lane = 0; lane < kLanes; lane++)
      scores[lane] = lane < count ? scores[lane] * scale + bias[from + lane] : -3.4e38f;
    const float here = largest(scores, kLanes);
    most = here > most ? here : most;
  }
  float total = 0;
  for (int64_t from = 0; from < seen; from += kLanes) {
    float* const scores = s + from;
    for (int lane = 0; lane < kLanes; lane++) scores[lane] = expOf(scores[lane] - most);
    total += sum(kLanes, [=](int64_t i) { return scores[i]; });
  }
  const float factor = 1.f / total;
  for (int64_t key = 0; key < seen; key++) w[key] = s[key] * factor;
}

// The pullback of that, in the gradient's own place.
inline void weighPull(float* __restrict dw, const float* __restrict w, int64_t seen, float scale) {
  float own = 0;
  for (int64_t from = 0; from < seen; from += kLanes) {
    const int count = seen - from < kLanes ? seen - from : kLanes;
    float terms[kLanes];
    for (int lane = 0; lane < kLanes; lane++) terms[lane] = lane < count ? dw[from + lane] * w[from + lane] : 0.f;
    own += sum(kLanes, [&](int64_t i) { return terms[i]; });
  }
  for (int64_t key = 0; key < seen; key++) dw[key] = w[key] * (dw[key] - own) * scale;
}

void attend(const Head& head, WritableRows z) {
  const int64_t padded = paddedKeys(head), queries = head.queries;
  float* const turned = head.scratch;
  float* const scores = turned + padded * head.width;
  turn(head.k, head.keys, head.width, padded, turned);
  for (int64_t first = 0; first < queries; first += kQueries) {
    const int64_t count = queries - first < kQueries ? queries - first : kQueries;
    const Rows own{head.q.data + first * head.q.stride, head.q.stride};
    againstAll(own, count, turned, head.width, seenBy(head, first + count - 1), padded, scores);
    for (int64_t query = first; query < first + count; query++) {
      const int64_t seen = seenBy(head, query);
      float* const weights = head.weights + query * head.keys;
      weigh(scores + (query - first) * padded, head.bias + query * head.keys, weights, seen, head.scale);
      for (int64_t key = seen; key < head.keys; key++) weights[key] = 0;
    }
  }
  const auto weighing = [&](int64_t query) {
    return Weighing{head.weights + query * head.keys, {0, seenBy(head, query)}, z.data + query * z.stride};
  };
  for (int64_t query = 0; query < queries; query += 2)
    weighted(weighing(query), weighing(query + 1 < queries ? query + 1 : query), 1, head.v, head.depth, false);
}

void attendPull(const Head& head, Rows dz, WritableRows dq, WritableRows dk, WritableRows dv, bool further) {
  const int64_t padded = paddedKeys(head), queries = head.queries;
  float* const turned = head.scratch;
  float* const dScores = turned + padded * head.depth;  // [queries, padded]
  turn(head.v, head.keys, head.depth, padded, turned);
  for (int64_t first = 0; first < queries; first += kQueries) {
    const int64_t count = queries - first < kQueries ? queries - first : kQueries;
    const Rows own{dz.data + first * dz.stride, dz.stride};
    againstAll(own, count, turned, head.depth, seenBy(head, first + count - 1), padded, dScores + first * padded);
    for (int64_t query = first; query < first + count; query++)
      weighPull(dScores + query * padded, head.weights + query * head.keys, seenBy(head, query), head.scale);
  }
  const auto byQuery = [&](int64_t query) {
    return Weighing{dScores + query * padded, {0, seenBy(head, query)}, dq.data + query * dq.stride};
  };
  for (int64_t query = 0; query < queries; query += 2)
    weighted(byQuery(query), byQuery(query + 1 < queries ? query + 1 : query), 1, head.k, head.width, false);
  if (!dk.data) return;
  const auto seeing = [&](int64_t key) {
    const int64_t before = key - (head.keys - queries);  // queries that do not see it
    return Range{before > 0 ? before : 0, queries};
  };
  for (int64_t key = 0; key < head.keys; key += 2) {
    const int64_t next = key + 1 < head.keys ? key + 1 : key;
    weighted({dScores + key, seeing(key), dk.data + key * dk.stride},
             {dScores + next, seeing(next), dk.data + next * dk.stride}, padded, head.q, head.width, further);
    weighted({head.weights + key, seeing(key), dv.data + key * dv.stride},
             {head.weights + next, seeing(next), dv.data + next * dv.stride}, head.keys, dz, head.depth, further);
  }
}

void rotate(const float* __restrict x, const float* __restrict cos, const float* __restrict sin, float* __restrict y,
            int64_t width, int64_t dims, float sign) {
  const int64_t half = dims / 2;
  for (int64_t i = 0; i < half; i++) y[i] = x[i] * cos[i] - sign * x[half + i] * sin[i];
  for (int64_t i = 0; i < half; i++) y[half + i] = x[half + i] * cos[half + i] + sign * x[i] * sin[half + i];
  for (int64_t i = dims; i < width; i++) y[i] = x[i];
}

void mix(const float* __restrict own, const float* __restrict base, const float* __restrict mask,
         float* __restrict mixed, float* __restrict difference, int64_t width) {
  for (int64_t i = 0; i < width; i++) {
    const float apart = own[i] - base[i];
    difference[i] = apart;
    mixed[i] = base[i] + mask[i] * apart;
  }
}

void mixPull(const float* __restrict gradient, const float* __restrict difference, const float* __restrict mask,
             float* __restrict dOwn, float* __restrict dMask, int64_t width) {
  for (int64_t i = 0; i < width; i++) {
    dOwn[i] = gradient[i] * mask[i];
    dMask[i] += gradient[i] * difference[i];
  }
}

}  // namespace

extern const Loops LOOPS;
const Loops LOOPS = {activate,   activatePull, gate,        gatePull, normalise,     normalisePull,
                     attend,     attendPull,   softmax,     softmaxPull, largest,    exponentials,
                     divergence, rotate,       mix,         mixPull};

}  // namespace orthoscope
