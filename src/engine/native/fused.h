// What one pass over memory does, once per instruction set (fused-loops.cc): fused.cc picks the set the machine has.
// Rows are a tensor's last axis. No function here may come from the standard library: the linker keeps one copy of an
// inline function, and it could be the one compiled for a better machine than this.
#pragma once
#include <cstdint>

namespace orthoscope {

enum Activation { kRelu, kSilu, kGeluNew, kGelu };

// One head's rows in a tensor: row i begins at data + i·stride.
struct Rows {
  const float* data;
  int64_t stride;
};

struct WritableRows {
  float* data;
  int64_t stride;
};

// Attention of one head on one prompt. The last query sees all keys, each one before it one key less.
struct Head {
  int64_t queries;
  int64_t keys;
  int64_t width;  // of queries and keys
  int64_t depth;  // of values
  float scale;
  Rows q, k, v;
  const float* bias;  // [queries, keys], added to scores
  float* weights;     // [queries, keys]
  float* scratch;     // scratchFor(…) floats
};

// How exponentials are taken: factor·e^(x − shift).
struct Weighted {
  float shift, factor;
};

struct Loops {
  // y = f(x)
  void (*activate)(int kind, const float* x, float* y, int64_t n);
  // dx = dy·f'(x)
  void (*activatePull)(int kind, const float* dy, const float* x, float* dx, int64_t n);
  // y = f(gate)·up
  void (*gate)(int kind, const float* gate, const float* up, float* y, int64_t n);
  // dGate = dy·up·f'(gate), dUp = dy·f(gate)
  void (*gatePull)(int kind, const float* dy, const float* gate, const float* up, float* dGate, float* dUp, int64_t n);
  // y = (x − mean)·rate, rate = 1/√(mean (x − mean)² + ε); without the mean where rows are not centred
  void (*normalise)(const float* x, float* y, float* rate, int64_t rows, int64_t width, float epsilon, bool centred);
  // dx = rate·(dy − mean(dy) − y·mean(dy∘y)), added to `onto` unless that is null; without the middle term where rows
  // are not centred
  void (*normalisePull)(const float* dy, const float* y, const float* rate, const float* onto, float* dx, int64_t rows,
                        int64_t width, bool centred);
  // z = softmax(scale·q·kᵀ + bias)·v, keeping the weights
  void (*attend)(const Head& head, WritableRows z);
  // From dz: dq; and unless dk is null dk and dv, added to what is there if so wanted
  void (*attendPull)(const Head& head, Rows dz, WritableRows dq, WritableRows dk, WritableRows dv, bool further);
  // One row: w = softmax(scale·s + bias)
  void (*softmax)(const float* s, const float* bias, float* w, int64_t width, float scale);
  // Rows: ds = scale·w∘(dw − Σ dw∘w)
  void (*softmaxPull)(const float* dw, const float* w, float* ds, int64_t rows, int64_t width, float scale);
  // Of one row the largest value, and Σ e^(x − shift)
  float (*largest)(const float* x, int64_t width);
  float (*exponentials)(const float* x, int64_t width, float shift);
  // One row: p of s and e of t; returns Σ e∘((t − s) − between), and d = factor·(p − e) unless d is null
  float (*divergence)(const float* s, const float* t, float* d, int64_t width, Weighted ofS, Weighted ofT, float between,
                      float factor);
  // One row: y = x∘cos ± turn(x)∘sin, where turn(x) = (−second half, first half) of the first `dims`; the rest stays
  void (*rotate)(const float* x, const float* cos, const float* sin, float* y, int64_t width, int64_t dims, float sign);
  // One row: difference = own − base, mixed = base + mask∘difference
  void (*mix)(const float* own, const float* base, const float* mask, float* mixed, float* difference, int64_t width);
  // One row: dOwn = gradient∘mask, dMask += gradient∘difference
  void (*mixPull)(const float* gradient, const float* difference, const float* mask, float* dOwn, float* dMask,
                  int64_t width);
};

// Floats that a head's loops write to while they run: keys or values turned, and scores.
inline int64_t scratchFor(int64_t queries, int64_t keys, int64_t width, int64_t depth) {
  const int64_t padded = (keys + 15) / 16 * 16;
  return padded * ((width > depth ? width : depth) + queries);
}

}  // namespace orthoscope
