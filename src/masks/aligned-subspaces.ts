/**
 * Subspaces of what components read or write, learned so that what lies in them carries the component's part of the task
 * (distributed alignment search, A. Geiger et al., arXiv 2303.02536; docs/maths.md, "Aligned subspaces").
 */
import * as tf from '@tensorflow/tfjs-core';
import { klSum } from '../engine/ops/loss.js';
import { toTensor } from '../engine/tensor.js';
import { batchesByLength } from '../forward/passes.js';
import { type BlockHooks, coefficientsOf, type Hook } from '../forward/places.js';
import { heed } from '../heed.js';
import type { Component } from '../models/components.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import type { Random } from '../random.js';
import { orthonormal } from '../statistics/principal-angles.js';
import { lossHead } from './objective.js';

/** A subspace of what a component writes or, of QK, of what its queries read. */
export interface Subspace {
  component: Component;
  /**
   * An orthonormal basis: of each vector one number for each singular direction, [rank], along v_k (the coordinates of
   * what is written are σ_k y_k); of QK along u_k (those of what queries read are y_k).
   */
  rows: readonly Float64Array[];
}

export interface AlignOptions {
  /** What the subspaces are at first: random ones, or the first singular directions. */
  start: 'random' | 'singular';
  steps: number;
  batchSize: number;
  /** Radians that a subspace turns by in the first step; in the last a hundredth of it. */
  rate: number;
  /** Positions (padding included) in one pass. */
  maxTokens: number;
  /** What is to be least: KL on other pairs. It is asked at the start, every so many steps, and at the end. */
  validate(subspaces: readonly Subspace[]): Promise<number>;
}

/** Steps between two validations. */
const VALIDATE_EVERY = 15;

/** Rate of the last step, as a share of the first's; between them it falls by equal factors. */
const LAST = 0.01;
/** Decay of the means of gradients, and of their squared lengths. */
const BETAS = [0.9, 0.99] as const;

interface State extends Subspace {
  /** Mean of gradients, as `rows`. */
  mean: Float64Array[];
  /** Mean of their squared lengths. */
  square: number;
}

/**
 * Learns all subspaces together: of each component what lies outside of its subspace is replaced, everything else runs
 * whole, and the KL from the full model is made small. Gradients are taken along the manifold of subspaces, steps are
 * Adam's with one rate for a subspace, and every step ends with an orthonormal basis again (QR). Steps have a length of
 * their own, also next to the best subspace; so what is returned are the best ones on the way.
 * @param components with the dimension of their subspaces, and how many of their singular directions are not null
 * @throws InterruptedError if the signal fires
 */
export async function alignSubspaces(
  prepared: PreparedPairs,
  components: readonly { component: Component; size: number; span: number }[],
  { start, steps, batchSize, rate, maxTokens, validate }: AlignOptions,
  random: Random,
  { onProgress, signal }: LongCall = {},
): Promise<{ subspaces: Subspace[]; kl: number }> {
  const states = components.map(({ component, size, span }): State => {
    const rows = Array.from({ length: size }, (_, i) =>
      Float64Array.from({ length: component.rank }, (_, k) => {
        if (start === 'singular') return Number(k === i);
        return k < span ? random.normal() : 0;
      }),
    );
    return {
      component,
      rows: orthonormal(rows),
      mean: rows.map(({ length }) => new Float64Array(length)),
      square: 0,
    };
  });
  const now = (): Subspace[] => states.map(({ component, rows }) => ({ component, rows }));
  let best = { subspaces: now(), kl: await validate(now()) };
  let order: number[] = [];
  for (let step = 0; step < steps; step++) {
    await heed(signal);
    onProgress?.({ stage: 'align', done: step, total: steps });
    const batch: number[] = [];
    while (batch.length < Math.min(batchSize, prepared.length)) {
      if (order.length === 0) order = random.shuffle([...prepared.pairs.keys()]);
      batch.push(order.pop()!);
    }
    const gradients = await subspaceGradients(prepared, batch, states, maxTokens, signal);
    const share = steps === 1 ? 0 : step / (steps - 1);
    states.forEach((state, at) => turn(state, gradients[at]!, step + 1, rate * LAST ** share));
    if ((step + 1) % VALIDATE_EVERY === 0 || step + 1 === steps) {
      const kl = await validate(now());
      if (kl < best.kl) best = { subspaces: now(), kl };
    }
  }
  onProgress?.({ stage: 'align', done: steps, total: steps });
  return best;
}

/** A step of Adam along the manifold. */
function turn(state: State, gradient: Float64Array[], step: number, rate: number): void {
  const { rows, mean } = state;
  const across = outside(rows, gradient);
  mean.forEach((row, i) => {
    for (let k = 0; k < row.length; k++) row[k] = BETAS[0] * row[k]! + (1 - BETAS[0]) * across[i]![k]!;
  });
  const squared = across.flat().reduce((sum, row) => row.reduce((all, value) => all + value ** 2, sum), 0);
  state.square = BETAS[1] * state.square + (1 - BETAS[1]) * squared;
  const length = Math.sqrt(state.square / (1 - BETAS[1] ** step));
  if (length === 0) return;
  const factor = rate / (1 - BETAS[0] ** step) / length;
  const moved = rows.map((row, i) => row.map((value, k) => value - factor * mean[i]![k]!));
  state.rows = orthonormal(moved);
  // What the turned subspace holds already is no direction to turn to.
  state.mean = outside(state.rows, mean);
}

/** What of each vector lies outside of the span of orthonormal rows. */
function outside(rows: readonly Float64Array[], vectors: readonly Float64Array[]): Float64Array[] {
  return vectors.map((vector) => {
    const rest = vector.slice();
    for (const row of rows) {
      const along = row.reduce((sum, value, k) => sum + value * vector[k]!, 0);
      for (let k = 0; k < rest.length; k++) rest[k]! -= along * row[k]!;
    }
    return rest;
  });
}

/** Gradients of the mean KL by the rows of each subspace, as they stand: orthonormal or not. */
export async function subspaceGradients(
  prepared: PreparedPairs,
  members: readonly number[],
  states: readonly Subspace[],
  maxTokens: number,
  signal: AbortSignal | undefined,
): Promise<Float64Array[][]> {
  const { model } = prepared;
  const gradients = states.map(({ rows }) => rows.map(({ length }) => new Float64Array(length)));
  const lengths = members.map((index) => prepared.pairs[index]!.clean.length);
  for (const batch of batchesByLength(lengths, maxTokens)) {
    const own = batch.map((at) => members[at]!);
    const head = lossHead(prepared, own, 'kl', members.length);
    const kept = new Kept(prepared, own, states, true);
    try {
      const past = prepared.past(own);
      await model.pullBack(prepared.prompts(own), head, { hooks: { blocks: kept.blocks }, past, signal });
      await kept.addGradients(gradients);
    } finally {
      kept.dispose();
      tf.dispose(head.inputs);
    }
  }
  return gradients;
}

/**
 * Mean KL(full ‖ model) in nats, where of each of these components only its subspace is kept.
 * @throws InterruptedError if the signal fires
 */
export async function klOfSubspaces(
  prepared: PreparedPairs,
  subspaces: readonly Subspace[],
  { signal }: LongCall = {},
): Promise<number> {
  const { model, forwardTokens } = prepared;
  let total = 0;
  const lengths = prepared.pairs.map(({ clean }) => clean.length);
  for (const batch of batchesByLength(lengths, forwardTokens)) {
    await heed(signal);
    const kept = new Kept(prepared, batch, subspaces, false);
    try {
      const past = prepared.past(batch);
      const state = await model.run(
        prepared.prompts(batch),
        { hooks: { blocks: kept.blocks }, past },
        signal,
      );
      const sum = tf.tidy(() => klSum(model.logits(state), prepared.teacher(batch)));
      total += (await sum.data())[0]!;
      tf.dispose([state, sum]);
    } finally {
      kept.dispose();
    }
  }
  return total / prepared.length;
}

/** Hooks on the coefficients of one batch: c = ỹ + (y − ỹ) within the subspace, for the components that have one. */
class Kept {
  readonly blocks: BlockHooks[] = [];
  readonly #tensors: tf.Tensor[] = [];
  readonly #gradients: { of: number[]; rows: tf.Tensor2D; start: number[]; first: number[] }[] = [];

  constructor(
    prepared: PreparedPairs,
    members: readonly number[],
    subspaces: readonly Subspace[],
    pulled: boolean,
  ) {
    const { model } = prepared;
    const { layout, sigma } = model;
    const baseline = prepared.baseline(members);
    const places = new Map<string, number[]>();
    for (const [at, { component }] of subspaces.entries()) {
      const key = `${component.layer} ${component.kind}`;
      places.set(key, [...(places.get(key) ?? []), at]);
    }
    for (const of of places.values()) {
      const { layer, kind } = subspaces[of[0]!]!.component;
      const block = layout.block(layer, kind)!;
      // At least a row, of nothing: engines know no products with matrices that have none.
      const height = Math.max(
        1,
        of.reduce((sum, at) => sum + subspaces[at]!.rows.length, 0),
      );
      // Of the block's width, with nothing where other components have theirs.
      const unit = new Float32Array(block.length);
      const back = new Float32Array(block.length);
      const chosen = new Float32Array(block.length);
      const rows = new Float32Array(height * block.length);
      const [start, first]: [number[], number[]] = [[], []];
      let row = 0;
      for (const at of of) {
        const { component, rows: own } = subspaces[at]!;
        const from = layout.of(component).start - block.start;
        first.push(row);
        start.push(from);
        for (let k = 0; k < component.rank; k++) {
          // OV coefficients have their σ in them already, and queries are read without.
          const size = kind === 'ov' || kind === 'qk' ? 1 : sigma[block.start + from + k]!;
          chosen[from + k] = 1;
          unit[from + k] = size;
          back[from + k] = size === 0 ? 0 : 1 / size;
        }
        for (const values of own) {
          for (let k = 0; k < component.rank; k++) rows[row * block.length + from + k] = values[k]!;
          row++;
        }
      }
      const tensors = tf.tidy(() => {
        const basis = toTensor(rows, [height, block.length]) as tf.Tensor2D;
        const read = tf.transpose(tf.mul<tf.Tensor2D>(basis, unit));
        const write = tf.mul<tf.Tensor2D>(basis, back);
        return {
          read: tf.clone(read),
          write,
          rest: toTensor(
            chosen.map((mark) => 1 - mark),
            [block.length],
          ),
          unit: toTensor(unit, [block.length]),
          back: toTensor(back, [block.length]),
        };
      });
      this.#tensors.push(...Object.values(tensors));
      const other = baseline[layer]![kind];
      const hook = this.#hook(tensors, other, pulled ? { of, start, first } : null);
      this.blocks[layer] = { ...this.blocks[layer], [coefficientsOf(kind)]: hook };
    }
    this.#tensors.push(...baseline.flatMap((byKind) => Object.values(byKind)));
  }

  #hook(
    {
      read,
      write,
      rest,
      unit,
      back,
    }: Record<'read' | 'write', tf.Tensor2D> & Record<'rest' | 'unit' | 'back', tf.Tensor>,
    baseline: tf.Tensor2D | undefined,
    places: { of: number[]; start: number[]; first: number[] } | null,
  ): Hook {
    let difference: tf.Tensor2D;
    let along: tf.Tensor2D;
    const replace = (own: tf.Tensor) => {
      difference = (baseline ? tf.sub(own, baseline) : own) as tf.Tensor2D;
      along = tf.matMul(difference, read);
      if (places) this.#tensors.push(tf.keep(difference), tf.keep(along));
      const kept = tf.add(tf.mul(difference, rest), tf.matMul(along, write));
      return baseline ? tf.add(baseline, kept) : kept;
    };
    if (!places) return { replace };
    return {
      replace,
      pull: (gradient) => {
        const written = tf.matMul(gradient as tf.Tensor2D, write, false, true) as tf.Tensor2D;
        const own = tf.add(
          tf.matMul(written, tf.mul<tf.Tensor2D>(difference, unit), true),
          tf.matMul(along, tf.mul<tf.Tensor2D>(gradient as tf.Tensor2D, back), true),
        ) as tf.Tensor2D;
        this.#gradients.push({ ...places, rows: tf.keep(own) });
        const through = tf.matMul(written, read, false, true);
        return tf.add(tf.mul(gradient, rest), through);
      },
    };
  }

  /** Adds those of the rows, once the pass was pulled back. @param gradients by subspace */
  async addGradients(gradients: Float64Array[][]): Promise<void> {
    for (const { of, rows, start, first } of this.#gradients) {
      const values = (await rows.data()) as Float32Array;
      const width = rows.shape[1];
      for (const [i, at] of of.entries())
        for (const [j, row] of gradients[at]!.entries())
          for (let k = 0; k < row.length; k++) row[k]! += values[(first[i]! + j) * width + start[i]! + k]!;
    }
  }

  dispose(): void {
    tf.dispose(this.#tensors);
    tf.dispose(this.#gradients.map(({ rows }) => rows));
  }
}
