/**
 * Large f64 products with fewer multiplications: seven products of quarters for eight, on up to three levels (V. Strassen,
 * "Gaussian elimination is not optimal", 1969, in S. Winograd's form). Operands are packed once, as tiles read them, and
 * their parts stand one behind the other: sums then run over contiguous memory, and nothing is packed again.
 *
 * Errors are some ε ‖A‖‖B‖ for the whole, not for each row: small rows of a result are less exact than by `gemm`.
 */
import { mark, release } from './arena';
import { at, clear, copy, create } from './arrays';
import { ADD, gemm, KC_BYTES, MC, MR, NR_BYTES, SET, SUBTRACT, multiplyTile, packPanels, zeros } from './gemm';
import { hostMultiplies } from './lent';
import { copyRows } from './vector';

const NR: i32 = NR_BYTES / 8;
/** Shortest side of a part: below, sums cost what multiplications save. */
const PART: i32 = 96;
/** Sides from which there is something to save. */
export const LEAST: i32 = 2 * PART;
/** Each level takes 7/4 times A's memory: after three that is as much as the rest of an SVD. */
const LEVELS: i32 = 3;
/** Columns of B at a time: all but A's parts then stays in the caches, and small parts have columns enough. */
const COLUMNS: i32 = 384;
/** Inner indices of a part at a time. */
const KC: i32 = KC_BYTES / 8;

/** Sizes of the parts that are multiplied by tiles. Inner indices are even, and so are all numbers of entries. */
let rows: i32 = 0;
let inner: i32 = 0;
let cols: i32 = 0;

/** C [m, n] ← A [m, k] · B [k, n], A and B with any strides, C with row stride `cRow`; C may be B, where B's rows are C's. */
export function multiply(
  m: i32, n: i32, k: i32,
  a: usize, aRow: i32, aCol: i32, b: usize, bRow: i32, bCol: i32, c: usize, cRow: i32,
): void {
  if (hostMultiplies()) {
    multiplyByHost(m, n, k, a, aRow, aCol, b, bRow, bCol, c, cRow);
    return;
  }
  let levels = 0;
  while (levels < LEVELS && min(m, k) >> (levels + 1) >= PART) levels++;
  const parts = 1 << levels;
  const height = mark();
  rows = roundUp((m + parts - 1) >> levels, MR);
  inner = roundUp((k + parts - 1) >> levels, 2);
  const operands = create<f64>(power(7, levels) * rows * inner);
  const whole = mark();
  const packed = create<f64>(parts * parts * rows * inner);
  packParts(levels, m, rows, MR, k, a, aRow, aCol, false, packed);
  expand(levels, packed, operands);
  release(whole);
  for (let start = 0; start < n; start += COLUMNS) {
    const width = min(COLUMNS, n - start);
    cols = roundUp((width + parts - 1) >> levels, NR);
    const before = mark();
    const right = create<f64>(parts * parts * inner * cols);
    const product = create<f64>(parts * parts * rows * cols);
    packParts(levels, width, cols, NR, k, at<f64>(b, start * bCol), bCol, bRow, true, right);
    multiplyParts(levels, operands, right, product, SET);
    unpack(levels, m, width, product, at<f64>(c, start), cRow);
    release(before);
  }
  release(height);
}

/** As they are: the host's products are faster by more than parts save. B is copied where C is written over it. */
function multiplyByHost(
  m: i32, n: i32, k: i32,
  a: usize, aRow: i32, aCol: i32, b: usize, bRow: i32, bCol: i32, c: usize, cRow: i32,
): void {
  if (b != c) {
    gemm<f64>(SET, false, m, n, k, a, aRow, aCol, b, bRow, bCol, c, cRow);
    return;
  }
  const height = mark();
  const right = create<f64>(k * min(n, COLUMNS));
  for (let start = 0; start < n; start += COLUMNS) {
    const width = min(COLUMNS, n - start);
    const columns = at<f64>(c, start);
    copyRows<f64>(k, width, columns, cRow, right, width);
    gemm<f64>(SET, false, m, width, k, a, aRow, aCol, right, width, 1, columns, cRow);
  }
  release(height);
}

function roundUp(n: i32, unit: i32): i32 {
  return (n + unit - 1) / unit * unit;
}

function power(base: i32, exponent: i32): i32 {
  let result = 1;
  for (let i = 0; i < exponent; i++) result *= base;
  return result;
}

/** Where part (i, j) stands: the quarters 11, 12, 21, 22 one behind the other, each made up likewise. */
function place(levels: i32, i: i32, j: i32): i32 {
  let index = 0;
  for (let bit = levels - 1; bit >= 0; bit--) index = 4 * index + 2 * ((i >> bit) & 1) + ((j >> bit) & 1);
  return index;
}

/** Packs lines of k elements each by parts of `size` lines and `inner` elements; what is beyond the edges is zero. */
function packParts(
  levels: i32, lines: i32, size: i32, width: i32, k: i32,
  from: usize, lineStride: i32, innerStride: i32, turned: bool, to: usize,
): void {
  const parts = 1 << levels;
  for (let i = 0; i < parts; i++) {
    for (let p = 0; p < parts; p++) {
      const part = at<f64>(to, (turned ? place(levels, p, i) : place(levels, i, p)) * size * inner);
      const filled = max(0, min(size, lines - i * size)), depth = max(0, min(inner, k - p * inner));
      if (filled < size || depth < inner) clear<f64>(part, size * inner);
      if (filled == 0 || depth == 0) continue;
      const source = at<f64>(from, i * size * lineStride + p * inner * innerStride);
      packPanels<f64>(filled, width, depth, source, lineStride, innerStride, part, at<f64>(0, (inner - depth) * width));
    }
  }
}

/** The left operands of all products, in the order in which `multiplyParts` takes them, from A by parts. */
function expand(levels: i32, a: usize, to: usize): void {
  if (levels == 0) {
    copy<f64>(a, to, rows * inner);
    return;
  }
  const size = power(4, levels - 1) * rows * inner;
  const step = at<f64>(0, power(7, levels - 1) * rows * inner);
  const a12 = at<f64>(a, size), a21 = at<f64>(a12, size), a22 = at<f64>(a21, size);
  const height = mark();
  const sum = create<f64>(size);
  expand(levels - 1, a, to);
  expand(levels - 1, a12, to + step);
  expand(levels - 1, a22, to + 2 * step);
  subtract(size, a, a21, sum);
  expand(levels - 1, sum, to + 3 * step);
  add(size, a21, a22, sum);
  expand(levels - 1, sum, to + 4 * step);
  subtract(size, sum, a, sum);
  expand(levels - 1, sum, to + 5 * step);
  subtract(size, a12, sum, sum);
  expand(levels - 1, sum, to + 6 * step);
  release(height);
}

/** C ← mode(C, A·B), all by parts; of A its operands. */
function multiplyParts(levels: i32, a: usize, b: usize, c: usize, mode: i32): void {
  if (levels == 0) {
    multiplyPart(a, b, c, mode);
    return;
  }
  const height = mark();
  if (mode != SET) {
    const size = power(4, levels) * rows * cols;
    const product = create<f64>(size);
    multiplyParts(levels, a, b, product, SET);
    if (mode == ADD) add(size, c, product, c);
    else subtract(size, c, product, c);
    release(height);
    return;
  }
  const step = at<f64>(0, power(7, levels - 1) * rows * inner);
  const a12 = a + step, a22 = a + 2 * step, s3 = a + 3 * step, s1 = a + 4 * step, s2 = a + 5 * step, s4 = a + 6 * step;
  const size = power(4, levels - 1) * inner * cols;
  const b12 = at<f64>(b, size), b21 = at<f64>(b12, size), b22 = at<f64>(b21, size);
  const quarter = power(4, levels - 1) * rows * cols;
  const c12 = at<f64>(c, quarter), c21 = at<f64>(c12, quarter), c22 = at<f64>(c21, quarter);
  const sum = create<f64>(size);
  subtract(size, b22, b12, sum);
  multiplyParts(levels - 1, s3, sum, c21, SET);
  subtract(size, b12, b, sum);
  multiplyParts(levels - 1, s1, sum, c22, SET);
  subtract(size, b22, sum, sum);
  multiplyParts(levels - 1, s2, sum, c12, SET);
  multiplyParts(levels - 1, a, b, c, SET);
  combine(quarter, c, c12, c21, c22);
  multiplyParts(levels - 1, s4, b22, c12, ADD);
  subtract(size, sum, b21, sum);
  multiplyParts(levels - 1, a22, sum, c21, SUBTRACT);
  multiplyParts(levels - 1, a12, b21, c, ADD);
  release(height);
}

/** One part's product by tiles; C's tiles stand one behind the other, column of tiles after column. */
function multiplyPart(a: usize, b: usize, c: usize, mode: i32): void {
  for (let pc = 0; pc < inner; pc += KC) {
    const kc = min(KC, inner - pc);
    const pass = pc == 0 ? mode : mode == SUBTRACT ? SUBTRACT : ADD;
    for (let top = 0; top < rows; top += MC) {
      const bottom = min(rows, top + MC);
      for (let left = 0; left < cols; left += NR) {
        const panel = at<f64>(b, left * inner + pc * NR);
        for (let row = top; row < bottom; row += MR) {
          multiplyTile<f64>(kc, at<f64>(a, row * inner + pc * MR), panel, zeros, at<f64>(c, left * rows + row * NR), NR, pass);
        }
      }
    }
  }
}

/** Puts the parts of C into their rows. */
function unpack(levels: i32, m: i32, n: i32, from: usize, c: usize, cRow: i32): void {
  const parts = 1 << levels;
  const column = at<f64>(0, rows * NR);
  for (let i = 0; i < parts; i++) {
    for (let j = 0; j < parts; j++) {
      const part = at<f64>(from, place(levels, i, j) * rows * cols);
      const height = min(rows, m - i * rows), width = min(cols, n - j * cols);
      for (let row = 0; row < height; row++) {
        let source = at<f64>(part, row * NR), target = at<f64>(c, (i * rows + row) * cRow + j * cols);
        let left = 0;
        for (; left + NR <= width; left += NR, source += column, target += NR_BYTES) {
          v128.store(target, v128.load(source));
          v128.store(target, v128.load(source, 16), 16);
          if (NR_BYTES == 48) v128.store(target, v128.load(source, 32), 32);
        }
        if (left < width) copy<f64>(source, target, width - left);
      }
    }
  }
}

/** to ← x + y; n is even. */
function add(n: i32, x: usize, y: usize, to: usize): void {
  let i = 0;
  for (; i + 8 <= n; i += 8, x += 64, y += 64, to += 64) {
    const a = f64x2.add(v128.load(x), v128.load(y)), b = f64x2.add(v128.load(x, 16), v128.load(y, 16));
    const c = f64x2.add(v128.load(x, 32), v128.load(y, 32)), d = f64x2.add(v128.load(x, 48), v128.load(y, 48));
    storeFour(to, a, b, c, d);
  }
  for (; i < n; i += 2, x += 16, y += 16, to += 16) v128.store(to, f64x2.add(v128.load(x), v128.load(y)));
}

/** to ← x − y; n is even. */
function subtract(n: i32, x: usize, y: usize, to: usize): void {
  let i = 0;
  for (; i + 8 <= n; i += 8, x += 64, y += 64, to += 64) {
    const a = f64x2.sub(v128.load(x), v128.load(y)), b = f64x2.sub(v128.load(x, 16), v128.load(y, 16));
    const c = f64x2.sub(v128.load(x, 32), v128.load(y, 32)), d = f64x2.sub(v128.load(x, 48), v128.load(y, 48));
    storeFour(to, a, b, c, d);
  }
  for (; i < n; i += 2, x += 16, y += 16, to += 16) v128.store(to, f64x2.sub(v128.load(x), v128.load(y)));
}

// @ts-ignore: decorator
@inline
function storeFour(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
}

/** The sums of products that the quarters of C have in common: P₁, P₆, P₇, P₅ come in. */
function combine(n: i32, p1: usize, p6: usize, p7: usize, p5: usize): void {
  let i = 0;
  for (; i + 4 <= n; i += 4, p1 += 32, p6 += 32, p7 += 32, p5 += 32) {
    combinePair(p1, p6, p7, p5);
    combinePair(p1 + 16, p6 + 16, p7 + 16, p5 + 16);
  }
  if (i < n) combinePair(p1, p6, p7, p5);
}

// @ts-ignore: decorator
@inline
function combinePair(p1: usize, p6: usize, p7: usize, p5: usize): void {
  const u2 = f64x2.add(v128.load(p1), v128.load(p6));
  const u3 = f64x2.add(u2, v128.load(p7));
  const last = v128.load(p5);
  v128.store(p7, u3);
  v128.store(p6, f64x2.add(u2, last));
  v128.store(p5, f64x2.add(u3, last));
}
