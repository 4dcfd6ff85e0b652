/**
 * Matrix products, f32 and f64: operands are packed into panels that fit the caches, and a micro-kernel
 * keeps a tile of the result in registers (K. Goto, R. van de Geijn, "Anatomy of
 * high-performance matrix multiplication", 2008; F. Van Zee, R. van de Geijn, "BLIS", 2015).
 */
import { activate, activatePull } from './activation';
import { allocate } from './arena';
import { at, get, set } from './arrays';
import { multipliedByHost } from './lent';
import { madd } from './simd';

/** What happens to the result matrix: C ← AB, or bias + AB where there is one; C ← C + AB; C ← C − AB. */
export const SET: i32 = 0;
export const ADD: i32 = 1;
export const SUBTRACT: i32 = 2;

/**
 * Rows of a tile. V8 moves all loads of a loop's turn before its arithmetic, so 3 broadcasts, 3 vectors of B and
 * 3 × 3 sums are alive together: just the 15 registers it gives out. A 6 × 2 tile spills, at half the speed. Where
 * multiplying is an instruction of its own, its result needs one more: then 4 broadcasts, 2 vectors and 4 × 2 sums.
 */
export const MR: i32 = ASC_FEATURE_RELAXED_SIMD ? 3 : 4;
/** A tile's row: 3 vectors, 12 f32 or 6 f64; or 2. */
export const NR_BYTES: i32 = ASC_FEATURE_RELAXED_SIMD ? 48 : 32;
/** Inner indices packed at a time, in bytes: a tile's panels of A and B then stay in the first-level cache. */
export const KC_BYTES: i32 = 4096;
/** Rows of A packed at a time: 384 KiB, which stays in the second-level cache. */
export const MC: i32 = 32 * MR;
/** Columns of B packed at a time: 3.75 MiB, read once for each block of A. */
const NC: i32 = 960;

/** Likewise where A's rows are few and B's have to be turned: 384 KiB. */
const FEW: i32 = 96;
/**
 * Where A's rows are few and B's lie as they are read, 24 KiB of each of B's rows, and as many rows as make 3 MiB: B comes
 * from memory then, which is twice as fast at what lies in one run as at pieces of rows.
 */
const RUN_BYTES: i32 = 24576;
const RUNS_BYTES: i32 = 3 << 20;
/** Between panels of B: without it all of them begin at the same place of the caches, and there is room for few there. */
const GAP: usize = 64;

const packedA: usize = allocate(MC * KC_BYTES);
const packedB: usize = allocate(NC * KC_BYTES + (RUN_BYTES / NR_BYTES + 1) * <i32>GAP);
/** Rows of A that pass a function, before they are packed. */
const passed: usize = allocate(MC * KC_BYTES);
const tile: usize = allocate(MR * NR_BYTES);
/** What each row of a tile begins with where there is no bias, and that of a narrower tile. */
export const zeros: usize = allocate(NR_BYTES);
const lastBias: usize = allocate(NR_BYTES);
memory.fill(zeros, 0, NR_BYTES);

/**
 * C ← mode(C, A·B), A [m, k] and B [k, n] with any strides (in elements), C row-major with row stride `cRow`.
 * With `upper`, only tiles that reach the diagonal or lie above it are computed, for symmetric results;
 * what then stands below the diagonal has no meaning.
 * @param bias [n] of f32, with `SET`; or 0
 * @param kind of f32 rows that lie side by side: an activation function f that they pass, A = f(a), or −1
 * @param dy as a: then A = dy·f′(a); or 0
 */
export function gemm<T>(
  mode: i32, upper: bool, m: i32, n: i32, k: i32,
  a: usize, aRow: i32, aCol: i32,
  b: usize, bRow: i32, bCol: i32,
  c: usize, cRow: i32, bias: usize = 0, kind: i32 = -1, dy: usize = 0,
): void {
  if (sizeof<T>() == 8 && multipliedByHost(mode, upper, m, n, k, a, aRow, aCol, b, bRow, bCol, c, cRow)) return;
  const NR = NR_BYTES / <i32>sizeof<T>();
  const SIZE = <i32>sizeof<T>();
  // Few rows are packed once, whatever the columns come by.
  const few = m <= MC, runs = few && bCol == 1;
  const block = equalParts(n, runs ? RUN_BYTES / SIZE : few ? FEW : NC, NR);
  const KC = equalParts(k, runs ? min(KC_BYTES / SIZE, RUNS_BYTES / (block * SIZE)) : KC_BYTES / SIZE, 1);
  for (let pc = 0; pc < k; pc += KC) {
    const kc = min(KC, k - pc);
    const pass = pc == 0 ? mode : mode == SUBTRACT ? SUBTRACT : ADD;
    const biased = bias != 0 && pc == 0;
    for (let jc = 0; jc < n; jc += block) {
      const nc = min(block, n - jc);
      packPanels<T>(nc, NR, kc, at<T>(b, pc * bRow + jc * bCol), bCol, bRow, packedB, GAP);
      for (let ic = 0; ic < m && !(upper && ic >= jc + nc); ic += MC) {
        const mc = min(MC, m - ic);
        if (jc == 0 || m > MC) {
          const start = ic * aRow + pc * aCol;
          if (kind >= 0) {
            for (let row = 0; row < mc; row++)
              through(kind, kc, at<T>(a, start + row * aRow), dy ? at<T>(dy, start + row * aRow) : 0, at<T>(passed, row * kc));
            packPanels<T>(mc, MR, kc, passed, kc, 1, packedA, 0);
          } else packPanels<T>(mc, MR, kc, at<T>(a, start), aRow, aCol, packedA, 0);
        }
        for (let jr = 0; jr < nc; jr += NR) {
          const panelB = packedB + <usize>(jr / NR) * (<usize>(kc * NR_BYTES) + GAP);
          const first = biased ? biasOf<T>(bias, jc + jr, n) : zeros;
          for (let ir = 0; ir < mc && !(upper && ic + ir >= jc + jr + NR); ir += MR) {
            const target = at<T>(c, (ic + ir) * cRow + jc + jr);
            const panelA = at<T>(packedA, ir * kc);
            if (ir + MR <= mc && jr + NR <= nc) {
              multiplyTile<T>(kc, panelA, panelB, first, target, cRow, pass);
            } else {
              multiplyTile<T>(kc, panelA, panelB, first, tile, NR, SET);
              addTile<T>(min(MR, mc - ir), min(NR, nc - jr), target, cRow, pass);
            }
          }
        }
      }
    }
  }
}

/**
 * So many of n at a time, at most `most`, that all parts are of one size, in multiples of `unit`: a last one of a few
 * inner indices would read and write all of C for next to no work, one of a few columns pack all of A.
 */
function equalParts(n: i32, most: i32, unit: i32): i32 {
  const parts = (n - 1) / most + 1;
  const part = (n - 1) / parts + 1;
  return min(most, (part + unit - 1) / unit * unit);
}

/** to ← f(x), or dy·f′(x). */
// @ts-ignore: decorator
@inline
function through(kind: i32, n: i32, x: usize, dy: usize, to: usize): void {
  if (dy) activatePull(kind, n, dy, x, to);
  else activate(kind, n, x, to);
}

/**
 * Packs lines × kc elements into panels of `width` lines each: within a panel the lines' elements of one
 * inner index stand side by side. A last, narrower panel is filled up with zeros. Panels are `gap` bytes apart.
 */
export function packPanels<T>(
  lines: i32, width: i32, kc: i32, from: usize, lineStride: i32, innerStride: i32, to: usize, gap: usize,
): void {
  const inner = (<usize>innerStride) * sizeof<T>();
  const step = (<usize>width) * sizeof<T>();
  const whole = lines - (lines % width);
  let line = 0;
  if (lineStride == 1 && width * <i32>sizeof<T>() == NR_BYTES) {
    packVectors(whole / width, kc, from, inner, to, gap);
    line = whole;
  }
  for (; line < lines; line += width) {
    const filled = min(width, lines - line);
    const panel = to + (<usize>(line / width)) * ((<usize>kc) * step + gap);
    const block = at<T>(from, line * lineStride);
    if (filled < width) memory.fill(panel, 0, (<usize>kc) * step);
    if (lineStride == 1) {
      let source = block;
      for (let p = 0; p < kc; p++, source += inner)
        for (let r = 0; r < filled; r++) set<T>(panel, p * width + r, get<T>(source, r));
      continue;
    }
    let done = 0;
    if (innerStride == 1 && filled == width)
      done = sizeof<T>() == 4
        ? packTurned(width, kc, block, lineStride, panel)
        : packTurnedPairs(width, kc, block, lineStride, panel);
    for (let r = 0; r < filled; r++) {
      let source = at<T>(block, r * lineStride + done * innerStride);
      let target = at<T>(panel, done * width + r);
      for (let p = done; p < kc; p++, source += inner, target += step) store<T>(target, load<T>(source));
    }
  }
}

/** Packs full panels of a tile's width whose lines stand side by side, all of them for one inner index after another. */
function packVectors(panels: i32, kc: i32, from: usize, stride: usize, to: usize, gap: usize): void {
  const size = (<usize>kc) * NR_BYTES + gap;
  for (let p = 0; p < kc; p++, from += stride, to += NR_BYTES) {
    let source = from;
    let target = to;
    for (let panel = 0; panel < panels; panel++, source += NR_BYTES, target += size) {
      v128.store(target, v128.load(source));
      v128.store(target, v128.load(source, 16), 16);
      if (NR_BYTES == 48) v128.store(target, v128.load(source, 32), 32);
    }
  }
}

/**
 * Packs a full panel of f32 lines whose elements stand side by side, four at a time.
 * @returns how many elements of each line that were
 */
function packTurned(width: i32, kc: i32, from: usize, lineStride: i32, to: usize): i32 {
  const whole = kc & ~3;
  const next = at<f32>(0, lineStride);
  const step = at<f32>(0, width);
  if (width == 3) {
    for (let p = 0; p < whole; p += 4, from += 16, to += 48) {
      const a = v128.load(from), b = v128.load(from + next), c = v128.load(from + 2 * next);
      const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), bc = v128.shuffle<f32>(b, c, 2, 6, 3, 7);
      // a₀ b₀ c₀ a₁, b₁ c₁ a₂ b₂, c₂ a₃ b₃ c₃
      v128.store(to, v128.shuffle<f32>(ab, v128.shuffle<f32>(c, a, 0, 5, 0, 5), 0, 1, 4, 5));
      v128.store(to, v128.shuffle<f32>(v128.shuffle<f32>(b, c, 1, 5, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 2, 6), 0, 1, 4, 5), 16);
      v128.store(to, v128.shuffle<f32>(v128.shuffle<f32>(c, a, 2, 7, 2, 7), bc, 0, 1, 6, 7), 32);
    }
    return whole;
  }
  if (width % 4 != 0) return 0;
  // Four lines at a time are read more slowly from memory than all of it in one run, where that is one.
  if (lineStride == kc) touch(width * kc, from);
  for (let group = 0; group < width; group += 4, from += 4 * next) {
    let source = from;
    let target = to + at<f32>(0, group);
    for (let p = 0; p < whole; p += 4, source += 16, target += 4 * step) {
      const a = v128.load(source), b = v128.load(source + next);
      const c = v128.load(source + 2 * next), d = v128.load(source + 3 * next);
      const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
      const ef = v128.shuffle<f32>(a, b, 2, 6, 3, 7), gh = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
      v128.store(target, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
      v128.store(target + step, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
      v128.store(target + 2 * step, v128.shuffle<f32>(ef, gh, 0, 1, 4, 5));
      v128.store(target + 3 * step, v128.shuffle<f32>(ef, gh, 2, 3, 6, 7));
    }
  }
  return whole;
}

/** The same of f64, two at a time. */
function packTurnedPairs(width: i32, kc: i32, from: usize, lineStride: i32, to: usize): i32 {
  const whole = kc & ~1;
  const next = at<f64>(0, lineStride);
  if (width == 3) {
    for (let p = 0; p < whole; p += 2, from += 16, to += 48) {
      const a = v128.load(from), b = v128.load(from + next), c = v128.load(from + 2 * next);
      // a₀ b₀, c₀ a₁, b₁ c₁
      v128.store(to, v128.shuffle<f64>(a, b, 0, 2));
      v128.store(to, v128.shuffle<f64>(c, a, 0, 3), 16);
      v128.store(to, v128.shuffle<f64>(b, c, 1, 3), 32);
    }
    return whole;
  }
  if (width % 2 != 0) return 0;
  const step = at<f64>(0, width);
  for (let pair = 0; pair < width; pair += 2, from += 2 * next) {
    let source = from;
    let target = to + at<f64>(0, pair);
    for (let p = 0; p < whole; p += 2, source += 16, target += 2 * step) {
      const a = v128.load(source), b = v128.load(source + next);
      v128.store(target, v128.shuffle<f64>(a, b, 0, 2));
      v128.store(target + step, v128.shuffle<f64>(a, b, 1, 3));
    }
  }
  return whole;
}

/** What `touch` read, so that it is not left out. */
let touched: i32 = 0;

/** Reads n f32 of memory into the caches. */
function touch(n: i32, from: usize): void {
  let bits = 0;
  for (let i = 0; i < n; i += 16) bits ^= load<i32>(at<f32>(from, i));
  touched = bits;
}

/** Where the bias of a tile's columns from `col` on stands in full. */
function biasOf<T>(bias: usize, col: i32, n: i32): usize {
  const NR = NR_BYTES / <i32>sizeof<T>();
  if (col + NR <= n) return at<T>(bias, col);
  for (let i = 0; i < n - col; i++) set<T>(lastBias, i, get<T>(bias, col + i));
  return lastBias;
}

/** Brings the part of the shared edge tile that lies inside C into C. */
function addTile<T>(rows: i32, cols: i32, c: usize, cRow: i32, mode: i32): void {
  const NR = NR_BYTES / <i32>sizeof<T>();
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      const target = at<T>(c, i * cRow + j);
      const value = get<T>(tile, i * NR + j);
      if (mode == SET) store<T>(target, value);
      else store<T>(target, mode == ADD ? load<T>(target) + value : load<T>(target) - value);
    }
  }
}

/** One tile over kc inner indices: packed panels in, rows that begin with `first`, `mode` applied to C with row stride cRow. */
export function multiplyTile<T>(kc: i32, a: usize, b: usize, first: usize, c: usize, cRow: i32, mode: i32): void {
  if (ASC_FEATURE_RELAXED_SIMD) multiplyThreeByThree<T>(kc, a, b, first, c, cRow, mode);
  else multiplyFourByTwo<T>(kc, a, b, first, c, cRow, mode);
}

function multiplyThreeByThree<T>(kc: i32, a: usize, b: usize, first: usize, c: usize, cRow: i32, mode: i32): void {
  let c00 = v128.load(first), c01 = v128.load(first, 16), c02 = v128.load(first, 32);
  let c10 = c00, c11 = c01, c12 = c02;
  let c20 = c00, c21 = c01, c22 = c02;
  for (let p = 0; p < kc; p++) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const b2 = v128.load(b, 32);
    const a0 = v128.load_splat<T>(a);
    const a1 = v128.load_splat<T>(a, sizeof<T>());
    const a2 = v128.load_splat<T>(a, 2 * sizeof<T>());
    c00 = madd<T>(a0, b0, c00);
    c01 = madd<T>(a0, b1, c01);
    c02 = madd<T>(a0, b2, c02);
    c10 = madd<T>(a1, b0, c10);
    c11 = madd<T>(a1, b1, c11);
    c12 = madd<T>(a1, b2, c12);
    c20 = madd<T>(a2, b0, c20);
    c21 = madd<T>(a2, b1, c21);
    c22 = madd<T>(a2, b2, c22);
    a += MR * sizeof<T>();
    b += 48;
  }
  const stride = (<usize>cRow) * sizeof<T>();
  put<T>(c, c00, mode);
  put<T>(c + 16, c01, mode);
  put<T>(c + 32, c02, mode);
  c += stride;
  put<T>(c, c10, mode);
  put<T>(c + 16, c11, mode);
  put<T>(c + 32, c12, mode);
  c += stride;
  put<T>(c, c20, mode);
  put<T>(c + 16, c21, mode);
  put<T>(c + 32, c22, mode);
}

function multiplyFourByTwo<T>(kc: i32, a: usize, b: usize, first: usize, c: usize, cRow: i32, mode: i32): void {
  let c00 = v128.load(first), c01 = v128.load(first, 16);
  let c10 = c00, c11 = c01;
  let c20 = c00, c21 = c01;
  let c30 = c00, c31 = c01;
  for (let p = 0; p < kc; p++) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load_splat<T>(a);
    const a1 = v128.load_splat<T>(a, sizeof<T>());
    const a2 = v128.load_splat<T>(a, 2 * sizeof<T>());
    const a3 = v128.load_splat<T>(a, 3 * sizeof<T>());
    c00 = madd<T>(a0, b0, c00);
    c01 = madd<T>(a0, b1, c01);
    c10 = madd<T>(a1, b0, c10);
    c11 = madd<T>(a1, b1, c11);
    c20 = madd<T>(a2, b0, c20);
    c21 = madd<T>(a2, b1, c21);
    c30 = madd<T>(a3, b0, c30);
    c31 = madd<T>(a3, b1, c31);
    a += MR * sizeof<T>();
    b += 32;
  }
  const stride = (<usize>cRow) * sizeof<T>();
  put<T>(c, c00, mode);
  put<T>(c + 16, c01, mode);
  c += stride;
  put<T>(c, c10, mode);
  put<T>(c + 16, c11, mode);
  c += stride;
  put<T>(c, c20, mode);
  put<T>(c + 16, c21, mode);
  c += stride;
  put<T>(c, c30, mode);
  put<T>(c + 16, c31, mode);
}

// @ts-ignore: decorator
@inline
function put<T>(c: usize, value: v128, mode: i32): void {
  if (mode == ADD) value = v128.add<T>(v128.load(c), value);
  else if (mode == SUBTRACT) value = v128.sub<T>(v128.load(c), value);
  v128.store(c, value);
}
