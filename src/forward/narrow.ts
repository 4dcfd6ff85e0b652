/**
 * Passes through some of a layer's directions alone. With masks m and what replaces coefficients ỹ, a component writes
 * Σ_k (ỹ_k + m_k (y_k − ỹ_k)) w_k: what the replacement writes, which no mask changes, and m_k (y_k − ỹ_k) w_k of the
 * directions whose mask is not 0. Or what the plain matrix writes, less (1 − m_k)(y_k − ỹ_k) w_k of those whose mask
 * is not 1. Of a circuit and its controls one of the two is few.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { FrozenLinear } from '../engine/ops/linear.js';
import { toTensor } from '../engine/tensor.js';
import type { Kind } from '../models/components.js';
import { disposeBases, type LayerBases, NO_BASES, type Rest } from './bases.js';
import type { Hook } from './places.js';

/** Shares of a head's directions up to which products with some of them cost less than with all, gathering included. */
const MOST_KEPT = 0.5;
const MOST_LEFT_OUT = 0.25;

/** Numbers that are kept of what replacements write, 64 MB: with all positions masked they can be more than the weights. */
const MOST_WRITTEN = 2 ** 24;

/** What replacements write, kept from mask vector to mask vector on the same prompts. */
export class Written {
  readonly #outputs = new Map<tf.Tensor2D, tf.Tensor2D>();
  #numbers = 0;

  /** @param make what a baseline writes; its result is kept if there is room for it */
  of(baseline: tf.Tensor2D, make: () => tf.Tensor2D): tf.Tensor2D {
    const known = this.#outputs.get(baseline);
    if (known) return known;
    const output = make();
    if (this.#numbers + output.size > MOST_WRITTEN) return output;
    this.#numbers += output.size;
    this.#outputs.set(baseline, tf.keep(output));
    return output;
  }

  dispose(): void {
    tf.dispose([...this.#outputs.values()]);
    this.#outputs.clear();
  }
}

/** Some directions of one kind in a layer, as many of each head, heads side by side. */
export interface Some {
  /** Their places in the layer's masks of the kind, [heads·width]. */
  chosen: Int32Array;
  /** What y − ỹ of each is multiplied by, [heads·width]: 0 for those that only fill up a head. */
  factors: Float32Array;
  /** Directions of a head, and how many of them are chosen. */
  rank: number;
  width: number;
  /** What the directions that are not chosen write. */
  others: 'replacement' | 'plain';
}

/**
 * @param masks of one kind in a layer, heads side by side
 * @returns null where all directions are as good
 */
export function someOf(masks: Float32Array, heads: number): Some | null {
  return (
    chosenOf(masks, heads, 0, MOST_KEPT, 'replacement') ?? chosenOf(masks, heads, 1, MOST_LEFT_OUT, 'plain')
  );
}

/** Those whose mask is not `inert`; null where they are more than a share of some head's. */
function chosenOf(
  masks: Float32Array,
  heads: number,
  inert: number,
  most: number,
  others: Some['others'],
): Some | null {
  const rank = masks.length / heads;
  const byHead = Array.from({ length: heads }, (_, head) => {
    const places = Array.from({ length: rank }, (_, k) => head * rank + k);
    return places.filter((place) => masks[place] !== inert);
  });
  const width = Math.max(1, ...byHead.map(({ length }) => length));
  if (width > most * rank) return null;
  const chosen = new Int32Array(heads * width);
  const factors = new Float32Array(heads * width);
  byHead.forEach((places, head) => {
    chosen.fill(head * rank, head * width, (head + 1) * width);
    chosen.set(places, head * width);
    factors.set(
      places.map((place) => masks[place]! - inert),
      head * width,
    );
  });
  return { chosen, factors, rank, width, others };
}

/** Some directions of one kind in a layer on the engine. */
export interface Narrowed {
  /** Of that kind alone. */
  bases: LayerBases;
  /** Masks them. */
  hook: Hook;
  /** After the pass. */
  dispose(): void;
}

/**
 * @param bases of the layer
 * @param baseline ỹ, [rows, directions] or [1, directions]; zero if absent
 * @param written what baselines write, where that is kept
 * @returns null where all directions are as good, or QK has no others: nothing replaces its scores, and by plane its
 * coefficients are the head's own coordinates
 */
export function narrow(
  kind: Kind,
  bases: LayerBases,
  { chosen, factors, rank, width, others }: Some,
  baseline: tf.Tensor2D | undefined,
  written: Written | undefined,
): Narrowed | null {
  const { qk, ov, mlp } = bases;
  if (kind === 'qk' && (others === 'plain' || !(qk!.keys ?? qk!.back))) return null;
  const heads = chosen.length / width;
  const places = toTensor(chosen, [chosen.length]) as tf.Tensor1D;
  const scale = toTensor(factors, [factors.length]);
  const replacement = baseline && tf.gather(baseline, places, 1);
  const hook: Hook = {
    replace: (own) => tf.mul(replacement ? tf.sub(own, replacement) : own, scale),
  };
  const restOf = ({ write }: { write: FrozenLinear }): Rest | null => {
    if (others === 'plain') return 'plain';
    if (!baseline) return null;
    const make = () => write.apply(baseline);
    return () => written?.of(baseline, make) ?? make();
  };
  // Row by row: wasm's gather along other axes of a head's own matrix is wrong.
  const someRows = (x: tf.Tensor3D) =>
    tf.reshape(tf.gather(tf.reshape(x, [heads * rank, -1]), places), [heads, width, -1]) as tf.Tensor3D;
  const cut: LayerBases = { ...NO_BASES };
  if (kind === 'qk') {
    const { read, keys, back } = qk!;
    cut.qk = {
      read: read.columns(places),
      keys: keys?.columns(places) ?? null,
      back: back && tf.tidy(() => someRows(back)),
    };
  } else if (kind === 'ov') {
    const { read, readBias, write } = ov!;
    const turned = (x: tf.Tensor3D) => tf.transpose(x, [0, 2, 1]);
    const columns = (x: tf.Tensor3D) => tf.tidy(() => turned(someRows(turned(x))));
    cut.ov = {
      read: columns(read),
      readBias: readBias && columns(readBias),
      write: write.rows(places),
      rest: restOf(ov!),
    };
  } else {
    const { read, write } = mlp[kind]!;
    cut.mlp = {
      [kind]: { read: read.columns(places), write: write.rows(places), rest: restOf(mlp[kind]!) },
    };
  }
  return {
    bases: cut,
    hook,
    dispose() {
      tf.dispose([places, scale, replacement ?? []]);
      disposeBases(cut);
    },
  };
}
