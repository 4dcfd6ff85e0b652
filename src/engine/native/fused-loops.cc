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

// [keys, n] turned to [n, padded], zeros behind the keys.
inline void turn(Rows from, int64_t keys, int64_t n, int64_t padded, float* __restrict to) {
  for (int64_t key = 0; key < keys; key++) {
    const float* __restrict row = from.data + key * from.stride;
    for (int64_t i = 0; i < n; i++) to[i * padded + key] = row[i];
  }
  for (int64_t i = 0; i < n; i++)
    for (int64_t key = keys; key < padded; key++) to[i * padded + key] = 0;
}

// sums[key] = Σ_i x[i]·turned[i, key], sixteen keys at a time.
inline void againstAll(const float* __restrict x, const float* __restrict turned, int64_t n, int64_t seen,
                       int64_t padded, float* __restrict sums) {
  for (int64_t from = 0; from < seen; from += kLanes) {
    float lanes[kLanes] = {};
    const float* __restrict column = turned + from;
    for (int64_t i = 0; i < n; i++)
      for (int lane = 0; lane < kLanes; lane++) lanes[lane] += x[i] * column[i * padded + lane];
    for (int lane = 0; lane < kLanes; lane++) sums[from + lane] = lanes[lane];
  }
}

// sum[i] = Σ_row factors[row·step]·rows[row, i] for rows from the first on, added to what is there if so wanted.
inline void weighted(const float* factors, int64_t step, Rows rows, int64_t first, int64_t end, int64_t n, bool further,
                     float* __restrict sum) {
  constexpr int kPart = 4 * kLanes;
  int64_t from = 0;
  for (; from + kPart <= n; from += kPart) {
    float part[kPart];
    for (int i = 0; i < kPart; i++) part[i] = further ? sum[from + i] : 0.f;
    for (int64_t row = first; row < end; row++) {
      const float factor = factors[row * step];
      const float* __restrict values = rows.data + row * rows.stride + from;
      for (int i = 0; i < kPart; i++) part[i] += factor * values[i];
    }
    for (int i = 0; i < kPart; i++) sum[from + i] = part[i];
  }
  if (!further)
    for (int64_t i = from; i < n; i++) sum[i] = 0;
  for (int64_t row = first; row < end; row++) {
    const float factor = factors[row * step];
    const float* __restrict values = rows.data + row * rows.stride;
    for (int64_t i = from; i < n; i++) sum[i] += factor * values[i];
  }
}

inline int64_t paddedKeys(const Head& head) { return (head.keys + kLanes - 1) / kLanes * kLanes; }

inline int64_t seenBy(const Head& head, int64_t query) { return head.keys - head.queries + query + 1; }

void attend(const Head& head, WritableRows z) {
  const int64_t padded = paddedKeys(head);
  float* const turned = head.scratch;
  float* const scores = turned + padded * head.width;
  turn(head.k, head.keys, head.width, padded, turned);
  for (int64_t query = 0; query < head.queries; query++) {
    const int64_t seen = seenBy(head, query);
    float* const weights = head.weights + query * head.keys;
    againstAll(head.q.data + query * head.q.stride, turned, head.width, seen, padded, scores);
    softmax(scores, head.bias + query * head.keys, weights, seen, head.scale);
    for (int64_t key = seen; key < head.keys; key++) weights[key] = 0;
    weighted(weights, 1, head.v, 0, seen, head.depth, false, z.data + query * z.stride);
  }
}

void attendPull(const Head& head, Rows dz, WritableRows dq, WritableRows dk, WritableRows dv, bool further) {
  const int64_t padded = paddedKeys(head), queries = head.queries;
  float* const turned = head.scratch;
  float* const dScores = turned + padded * head.depth;  // [queries, padded]
  turn(head.v, head.keys, head.depth, padded, turned);
  for (int64_t query = 0; query < queries; query++) {
    const int64_t seen = seenBy(head, query);
    float* const row = dScores + query * padded;
    againstAll(dz.data + query * dz.stride, turned, head.depth, seen, padded, row);
    softmaxPull(row, head.weights + query * head.keys, row, 1, seen, head.scale);
    weighted(row, 1, head.k, 0, seen, head.width, false, dq.data + query * dq.stride);
  }
  if (!dk.data) return;
  for (int64_t key = 0; key < head.keys; key++) {
    const int64_t unseen = key - (head.keys - queries);  // queries before it
    const int64_t first = unseen > 0 ? unseen : 0;
    weighted(dScores + key, padded, head.q, first, queries, head.width, further, dk.data + key * dk.stride);
    weighted(head.weights + key, head.keys, dz, first, queries, head.depth, further, dv.data + key * dv.stride);
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
