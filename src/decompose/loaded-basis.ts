/** A basis of the user's: directions from a safetensors file, and what they leave of the matrix (docs/maths.md, "Other bases"). */
import { InputError } from '../errors.js';
import type { TensorSource } from '../formats/safetensors.js';
import type { Kernels } from '../kernels/contract.js';
import { type Component, type Kind, withRank } from '../models/components.js';
import { centreRows, centres } from '../models/weight-forms.js';
import type { LayerWeights, Model } from '../models/weights.js';
import type { Directions } from './directions.js';
import { augmentedHead, type Factors, factorsOf } from './factors.js';
import { type Terms, termsAsDirections } from './terms.js';

/** Of what the terms should add up to, by the Frobenius norm: what is left over is rounding. */
const ROUNDING = 1e-5;
const WRITES: ReadonlySet<Kind> = new Set(['ov', 'mlp_out', 'mlp_down']);
/** How far σ_k u_k may lie outside of what the head's values reach, as a share of its length. */
const OUTSIDE = 1e-4;

/**
 * A layer's directions: those of the file, and as many more as what they leave has ranks; singular ones where the file
 * has none. Heads of a layer have equally many, so that some may end with directions of nothing.
 * @param source `NAME.u`, [rows, n], and `NAME.vt`, [n, cols], and perhaps `NAME.s`, [n]
 * @param singular the layer's
 * @throws InputError if a tensor has no component's name or another shape, or cannot be a head's
 */
export async function loadedLayer(
  source: TensorSource,
  model: Model,
  layer: number,
  singular: ReadonlyMap<string, Directions>,
  kernels: Kernels,
): Promise<Directions[]> {
  const weights = await model.layer(layer);
  const context: Context = { source, model, weights, kernels };
  const found: { component: Component; terms: Terms; n: number }[] = [];
  for (const own of singular.values()) {
    const { component } = own;
    const terms = source.has(`${component.name}.u`)
      ? await loadedTerms(context, component)
      : singularTerms(context, own);
    found.push({ component, terms, n: terms.left.length / component.rows });
  }
  return found.map(({ component, terms, n }) => {
    const most = Math.max(
      ...found.filter((one) => one.component.kind === component.kind).map((one) => one.n),
    );
    const whole = withRank(component, most);
    return termsAsDirections(whole, filledUp(terms, n, most), model.architecture.rotary !== undefined);
  });
}

/** @throws InputError if the file holds a tensor that belongs to no component */
export function checkNames(source: TensorSource, components: readonly Component[]): void {
  const known = new Set(components.map(({ name }) => name));
  for (const tensor of source.names()) {
    const [, name, part] = /^(.+)\.(u|s|vt)$/.exec(tensor) ?? [];
    if (name === undefined || !known.has(name))
      throw new InputError(
        `${source.path}: "${tensor}" is no component's; they are called as ${components[0]!.name}.u, .vt and .s`,
      );
    for (const other of ['u', 'vt'])
      if (part !== other && !source.has(`${name}.${other}`))
        throw new InputError(`${source.path}: has "${tensor}" and no "${name}.${other}"`);
  }
}

interface Context {
  source: TensorSource;
  model: Model;
  weights: LayerWeights;
  kernels: Kernels;
}

async function loadedTerms(context: Context, component: Component): Promise<Terms> {
  const { source, model, kernels } = context;
  const { name, rows, cols } = component;
  const read = async (part: 'u' | 's' | 'vt', shape: readonly (number | null)[]) => {
    const tensor = `${name}.${part}`;
    const own = source.info(tensor).shape;
    if (own.length !== shape.length || shape.some((size, i) => size !== null && size !== own[i]))
      throw new InputError(
        `${source.path}: "${tensor}" has shape [${own}]; it must be [${shape.map((size) => size ?? 'n')}]`,
      );
    return source.readFloat32(tensor);
  };
  const u = await read('u', [rows, null]);
  const n = u.length / rows;
  const right = await read('vt', [n, cols]);
  // What is added to all of the stream alike is unseen by LayerNorm, and the centred form does not look for it.
  if (WRITES.has(component.kind) && centres(model.architecture, model.form)) centreRows(right, n, cols);
  const s = source.has(`${name}.s`) ? await read('s', [n]) : null;
  const left = s ? u.map((value, at) => value * s[at % n]!) : u;
  for (const values of [left, right])
    if (!values.every(Number.isFinite))
      throw new InputError(`${source.path}: directions of ${name} hold NaN or infinity`);

  const factors = factorsOf(component, context.weights, model.architecture, model.qkSplit);
  if (component.kind === 'ov') {
    const head = throughHead(context, component, left, n, factors);
    const rest = restOf(kernels, factors.b!, factors.inner, cols, head, right, n);
    if (rest.n === 0) return { left, right, head };
    const more = kernels.gemm(factors.a, rest.left, { rows, inner: factors.inner, cols: rest.n });
    return {
      left: sideBySide(left, n, more, rest.n),
      right: joined(right, rest.right),
      head: sideBySide(head, n, rest.left, rest.n),
    };
  }
  const whole = wholeOf(context, component, factors);
  const rest = restOf(kernels, whole, rows, cols, left, right, n);
  return { left: sideBySide(left, n, rest.left, rest.n), right: joined(right, rest.right) };
}

/** What terms add up to: W, or of rotary QK [b_Q; W_Q]. */
function wholeOf(
  { model, weights, kernels }: Context,
  { kind, head, rows }: Component,
  factors: Factors,
): Float32Array {
  const { a, b, inner, cols } = factors;
  if (kind === 'qk' && model.architecture.rotary)
    return augmentedHead(weights.q, head!, model.architecture.dHead);
  return b ? kernels.gemm(a, b, { rows, inner, cols }) : a;
}

/** H with A H = left, where A is the head's values. @throws InputError if there is none */
function throughHead(
  { source, kernels }: Context,
  { name, rows }: Component,
  left: Float32Array,
  n: number,
  { a, inner }: Factors,
): Float32Array {
  const { u, s, vt } = kernels.svd(a, rows, inner);
  const rank = s.length;
  const along = kernels.gemm(u, left, { rows: rank, inner: rows, cols: n, transposeA: true });
  const least = s[0]! * rows * 2 ** -23;
  const scaled = along.map((value, at) => {
    const size = s[Math.floor(at / n)]!;
    return size > least ? value / size : 0;
  });
  const head = kernels.gemm(vt, scaled, { rows: inner, inner: rank, cols: n, transposeA: true });
  const again = kernels.gemm(a, head, { rows, inner, cols: n });
  const outside = norm(again.map((value, at) => value - left[at]!));
  if (outside > OUTSIDE * norm(left))
    throw new InputError(
      `${source.path}: ${(100 * outside) / norm(left)} % of "${name}.u" lies outside of what the head's values reach`.replace(
        /(\d\.\d)\d+/,
        '$1',
      ),
    );
  return head;
}

/** target − left·right as further terms, one for each of its ranks; none where it is rounding. */
function restOf(
  kernels: Kernels,
  target: Float32Array,
  rows: number,
  cols: number,
  left: Float32Array,
  right: Float32Array,
  n: number,
): { left: Float32Array; right: Float32Array; n: number } {
  const sum = kernels.gemm(Float64Array.from(left), Float64Array.from(right), { rows, inner: n, cols });
  const rest = target.map((value, at) => value - sum[at]!);
  const size = norm(target);
  if (norm(rest) <= ROUNDING * size) return { left: new Float32Array(0), right: new Float32Array(0), n: 0 };
  const { u, s, vt } = kernels.svd(rest, rows, cols);
  const ranks = s.filter((value) => value > 0.1 * ROUNDING * size).length;
  const own = new Float32Array(rows * ranks);
  for (let r = 0; r < rows; r++)
    for (let k = 0; k < ranks; k++) own[r * ranks + k] = u[r * s.length + k]! * s[k]!;
  return { left: own, right: vt.slice(0, ranks * cols), n: ranks };
}

function singularTerms({ model, weights, kernels }: Context, { component, u, s, vt }: Directions): Terms {
  const { kind, head, rows, cols, rank } = component;
  const { architecture, qkSplit } = model;
  if (kind === 'qk' && architecture.rotary) {
    const query = augmentedHead(weights.q, head!, architecture.dHead);
    const shape = { rows: rank, inner: rows, cols: architecture.dHead, transposeA: true };
    return { left: u, right: kernels.gemm(u, query, shape) };
  }
  const left = u.map((value, at) => value * s[at % rank]!);
  if (kind !== 'ov') return { left, right: vt };
  const { b, inner } = factorsOf(component, weights, architecture, qkSplit);
  return {
    left,
    right: vt,
    head: kernels.gemm(b!, vt, { rows: inner, inner: cols, cols: rank, transposeB: true }),
  };
}

/** Terms with directions of nothing behind them. */
function filledUp(terms: Terms, n: number, most: number): Terms {
  if (n === most) return terms;
  const more = most - n;
  const wider = (matrix: Float32Array) =>
    sideBySide(matrix, n, new Float32Array((matrix.length / n) * more), more);
  const right = new Float32Array((terms.right.length / n) * most);
  right.set(terms.right);
  return { left: wider(terms.left), right, ...(terms.head && { head: wider(terms.head) }) };
}

/** [rows, a + b] from [rows, a] and [rows, b]. */
function sideBySide(first: Float32Array, a: number, second: Float32Array, b: number): Float32Array {
  const rows = first.length / a;
  const out = new Float32Array(rows * (a + b));
  for (let r = 0; r < rows; r++) {
    out.set(first.subarray(r * a, (r + 1) * a), r * (a + b));
    out.set(second.subarray(r * b, (r + 1) * b), r * (a + b) + a);
  }
  return out;
}

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const out = new Float32Array(first.length + second.length);
  out.set(first);
  out.set(second, first.length);
  return out;
}

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
}
