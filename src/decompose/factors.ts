/** The augmented matrix of each component, as factors: heads are never multiplied out (docs/maths.md, "Components"). */
import { type Architecture, kvHeadOf, type Rotary } from '../models/architecture.js';
import { type Component, isHead } from '../models/components.js';
import { transpose } from '../models/matrix.js';
import type { QkSplit } from '../models/qk-split.js';
import type { LayerWeights, Linear } from '../models/weights.js';
import type { Directions } from './directions.js';
import { keyMetric, metricRoot, planeSizes } from './key-metric.js';

/** W = a · b with a [rows, inner] and b [inner, cols]; without b, W = a [rows, cols]. Row-major. */
export interface Factors {
  a: Float32Array;
  b: Float32Array | null;
  rows: number;
  inner: number;
  cols: number;
}

/** Numbers in a component's factors as {@link writeFactors} leaves them, and their inner width; b is 0 where there is none. */
export function factorSizes(
  component: Component,
  { dHead, biases }: Architecture,
): { a: number; b: number; inner: number } {
  const { kind, rows, cols } = component;
  if (!isHead(component)) return { a: rows * cols, b: 0, inner: cols };
  const inner = dHead + Number(kind === 'ov' && biases.o);
  return { a: rows * inner, b: inner * cols, inner };
}

export function factorsOf(
  component: Component,
  layer: LayerWeights,
  architecture: Architecture,
  split: QkSplit,
): Factors {
  const { rows, cols } = component;
  const sizes = factorSizes(component, architecture);
  const a = new Float32Array(sizes.a);
  const b = sizes.b > 0 ? new Float32Array(sizes.b) : null;
  const factors = { a, b, rows, inner: sizes.inner, cols };
  writeFactors(component, layer, architecture, split, factors);
  return factors;
}

/** Writes a component's factors over what lies in `out`, which has {@link factorSizes}. */
export function writeFactors(
  component: Component,
  layer: LayerWeights,
  architecture: Architecture,
  split: QkSplit,
  out: Pick<Factors, 'a' | 'b'>,
): void {
  const { kind, head } = component;
  switch (kind) {
    case 'qk':
      writeQueryKey(component, head!, layer, architecture, split, out);
      break;
    case 'ov':
      writeOutputValue(component, head!, layer, architecture, out);
      break;
    case 'mlp_in':
    case 'mlp_up':
      writeWhole(layer.mlpIn, out);
      break;
    case 'mlp_gate':
      writeWhole(layer.mlpGate!, out);
      break;
    case 'mlp_out':
    case 'mlp_down':
      writeWhole(layer.mlpOut, out);
      break;
  }
}

/** [b; W] of one head's columns, [rows + 1, dHead]; without a bias just W. */
export function augmentedHead(
  { rows, cols, weight, bias }: Linear,
  head: number,
  dHead: number,
  out: Float32Array = new Float32Array((rows + (bias ? 1 : 0)) * dHead),
): Float32Array {
  const shift = bias ? 1 : 0;
  const from = head * dHead;
  if (bias) out.set(bias.subarray(from, from + dHead));
  for (let r = 0; r < rows; r++)
    out.set(weight.subarray(r * cols + from, r * cols + from + dHead), (r + shift) * dHead);
  return out;
}

/** A head's own coordinates, as queries are by plane: [dHead, dHead]. */
export function ownCoordinates(dHead: number): Float64Array {
  const out = new Float64Array(dHead * dHead);
  for (let c = 0; c < dHead; c++) out[c * dHead + c] = 1;
  return out;
}

/** u_kᵀ[b_Q; W_Q], [rank, dHead]; by plane, the head's own coordinates. */
export function queriesOf(
  { head, rows, rank }: Component,
  directions: Directions | null,
  weights: LayerWeights,
  dHead: number,
): Float64Array {
  if (!directions) return ownCoordinates(dHead);
  const out = new Float64Array(rank * dHead);
  if (directions.head) return Float64Array.from(directions.head);
  const query = augmentedHead(weights.q, head!, dHead);
  for (let r = 0; r < rows; r++)
    for (let k = 0; k < rank; k++) {
      const u = directions.u[r * rank + k]!;
      for (let c = 0; c < dHead; c++) out[k * dHead + c]! += u * query[r * dHead + c]!;
    }
  return out;
}

/** [b_Q; W_Q] · [b_K; W_K]ᵀ; with rotary positions [b_Q; W_Q] times the root of the keys' metric, or R_Δ between. */
function writeQueryKey(
  { cols, layer: index }: Component,
  head: number,
  layer: LayerWeights,
  architecture: Architecture,
  split: QkSplit,
  { a, b }: Pick<Factors, 'a' | 'b'>,
): void {
  const { dHead, rotary } = architecture;
  augmentedHead(layer.q, head, dHead, a);
  const key = augmentedHead(layer.k, kvHeadOf(head, architecture), dHead);
  if (rotary && split.by === 'rotary') {
    b!.set(metricRoot(keyMetric(key, dHead, rotary[index]!, split.offsets), dHead));
    return;
  }
  if (rotary) turnRows(a, dHead, rotary[index]!, split.offsets);
  transpose(key, cols, dHead, b!);
}

/** Sizes of a head's planes, fastest first (see `planeSizes`). */
export function planeSizesOf(
  { head, layer: index }: Component,
  layer: LayerWeights,
  architecture: Architecture,
  offsets: number,
): number[] {
  const { dHead } = architecture;
  const rotary = architecture.rotary![index]!;
  const key = augmentedHead(layer.k, kvHeadOf(head!, architecture), dHead);
  const metric = keyMetric(key, dHead, rotary, offsets);
  return planeSizes(augmentedHead(layer.q, head!, dHead), metric, dHead, rotary.dims);
}

/** Rows times R_Δ, in place: x W_Q R_Δ W_Kᵀ x'ᵀ is the score of a query Δ positions behind its key. */
function turnRows(rows: Float32Array, dHead: number, rotary: Rotary, offset: number): void {
  const { dims, frequencies, scale } = rotary;
  for (let row = 0; row < rows.length; row += dHead)
    frequencies.forEach((frequency, plane) => {
      const [a, b] = [row + plane, row + plane + dims / 2];
      const [cos, sin] = [Math.cos(offset * frequency), Math.sin(offset * frequency)];
      const [x, y] = [rows[a]!, rows[b]!];
      rows[a] = scale * scale * (x * cos - y * sin);
      rows[b] = scale * scale * (x * sin + y * cos);
    });
}

/** [[b_V, 1], [W_V, 0]] · [W_O; b_O/H]; the last column and row are there only if the output has a bias. */
function writeOutputValue(
  { rows }: Component,
  head: number,
  layer: LayerWeights,
  architecture: Architecture,
  { a, b }: Pick<Factors, 'a' | 'b'>,
): void {
  const { dHead, dModel: d, nHeads } = architecture;
  const { v, o } = layer;
  const from = kvHeadOf(head, architecture) * dHead;
  const inner = dHead + (o.bias ? 1 : 0);
  const shift = rows - d;
  a.fill(0, 0, shift * inner);
  if (v.bias) a.set(v.bias.subarray(from, from + dHead));
  for (let r = 0; r < d; r++)
    a.set(v.weight.subarray(r * v.cols + from, r * v.cols + from + dHead), (r + shift) * inner);
  b!.set(o.weight.subarray(head * dHead * d, (head + 1) * dHead * d));
  if (!o.bias) return;
  for (let r = 0; r < rows; r++) a[r * inner + dHead] = Number(r < shift);
  for (let c = 0; c < d; c++) b![dHead * d + c] = o.bias[c]! / nHeads;
}

/** [b; W], or W alone. */
function writeWhole({ cols, weight, bias }: Linear, { a }: Pick<Factors, 'a' | 'b'>): void {
  if (bias) a.set(bias);
  a.set(weight, bias ? cols : 0);
}
