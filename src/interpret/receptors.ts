/**
 * What directions write and read, in tokens (docs/reading.md, "Receptors").
 *
 * - Writing ones raise and lower logits by σ_k v_k W_U for each unit of their coefficient y_k, the final norm's gain
 *   folded into W_U, its factor left out. What a direction adds to all logits alike is left out, too: no softmax sees it.
 * - Those that read the stream read token t, alone in it, with y_k = [1, norm(E_t)]·u_k.
 * - A QK direction reads queries so, and as keys those with a large factor: score = scale · y_k · factor, at offset 0.
 * - An MLP's last matrix reads hidden neurons, by u_k.
 */

import * as tf from '@tensorflow/tfjs-core';
import type { Decomposition, Directions } from '../decompose/directions.js';
import { augmentedHead } from '../decompose/factors.js';
import type { Engine } from '../engine/engine.js';
import { toTensor } from '../engine/tensor.js';
import { heed } from '../heed.js';
import { type Architecture, kvHeadOf } from '../models/architecture.js';
import type { Component, Kind } from '../models/components.js';
import { transpose } from '../models/matrix.js';
import type { EndWeights, LayerWeights, Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import type { Direction } from './coefficients.js';
import { writes } from './taken-apart.js';
import { endsOf, type TokenEnds, type TokenValue, Vocabulary } from './token-ends.js';
import { logitColumns, normalisedColumns } from './token-matrices.js';

export interface Receptors {
  direction: Direction;
  sigma: number;
  /** Tokens that a positive coefficient raises and lowers; null where it does not write to the stream. */
  writes: TokenEnds | null;
  /** Tokens that make its coefficient most positive and most negative; of QK, as queries. Null for an MLP's last matrix. */
  reads: TokenEnds | null;
  /** Of QK, tokens as keys. */
  keys: TokenEnds | null;
  /** Of an MLP's last matrix, the neurons that it reads most, by magnitude. */
  neurons: TokenValue[] | null;
}

/** Directions that are worked on together. */
const SLICE = 4096;

/** What directions are read from; no pass over prompts is needed. */
export interface Readable {
  engine: Engine;
  model: Model;
  decomposition: Decomposition;
  ends: EndWeights;
}

/**
 * Layer after layer, in the order given.
 * @param options.embedding [nVocab, dModel], what stands for each token; the model's embedding by default
 * @param options.listed tokens that are listed, the first ones; all by default
 */
export async function* receptors(
  { engine, model, decomposition, ends }: Readable,
  directions: readonly Direction[],
  {
    top = 10,
    listed,
    embedding = ends.embed,
    onProgress,
    signal,
  }: {
    top?: number;
    listed?: number;
    embedding?: Float32Array;
  } & LongCall = {},
): AsyncGenerator<Receptors[]> {
  const { architecture } = model;
  const { dModel: d, nVocab, nLayers, rotary } = architecture;
  const byLayer = Array.from({ length: nLayers }, (_, layer) =>
    directions.filter(({ component }) => component.layer === layer),
  );
  const load = async (layer: number): Promise<Loaded | null> => {
    const components = (byLayer[layer] ?? []).map(({ component }) => component);
    if (components.length === 0) return null;
    const names = [...new Set(components.map(({ name }) => name))];
    const needsKeys = rotary && components.some(({ kind }) => kind === 'qk');
    return {
      decomposed: await decomposition.layer(layer, names),
      weights: needsKeys ? await model.layer(layer) : null,
    };
  };
  const written = new Vocabulary(engine, logitColumns(ends, architecture), d, nVocab, listed);
  const read = new Vocabulary(engine, normalisedColumns(embedding, architecture), d, nVocab, listed);
  let next = load(0);
  try {
    for (const [layer, ofLayer] of byLayer.entries()) {
      const loaded = await next;
      // The disk works on the next layer while the engine does on this one.
      next = load(layer + 1);
      // Whoever stops between the two never asks for it.
      next.catch(() => {});
      if (loaded === null) continue;
      const ready = await madeReady(loaded, architecture);
      for (let from = 0; from < ofLayer.length; from += SLICE) {
        await heed(signal);
        const slice = ofLayer.slice(from, from + SLICE);
        yield await ofSlice(slice, ready, architecture, { written, read }, top, signal);
      }
      onProgress?.({ stage: 'receptors', done: layer + 1, total: nLayers });
    }
  } finally {
    await next.catch(() => {});
    written.dispose();
    read.dispose();
  }
}

/** What is read of a layer. */
interface Loaded {
  decomposed: Map<string, Directions>;
  /** Null where no factor of keys is asked for. */
  weights: LayerWeights | null;
}

/** What slices of a layer are made from. */
interface Ready {
  decomposed: Map<string, Directions>;
  /** By component, row k is u_k. */
  ut: Map<string, Float32Array>;
  /** Of rotary QK components, see {@link keyFactors}. */
  factors: Map<string, Float32Array>;
}

async function madeReady({ decomposed, weights }: Loaded, architecture: Architecture): Promise<Ready> {
  const ready: Ready = { decomposed, ut: new Map(), factors: new Map() };
  for (const [name, own] of decomposed) {
    const { kind, rows, rank } = own.component;
    ready.ut.set(name, transpose(own.u, rows, rank));
    if (weights && kind === 'qk') ready.factors.set(name, await keyFactors(own, weights, architecture));
  }
  return ready;
}

async function ofSlice(
  slice: readonly Direction[],
  { decomposed, ut, factors }: Ready,
  architecture: Architecture,
  vocabularies: { written: Vocabulary; read: Vocabulary },
  top: number,
  signal?: AbortSignal,
): Promise<Receptors[]> {
  const { dModel: d } = architecture;
  const columnOf = ({ name, rows }: Component, index: number) =>
    ut.get(name)!.subarray(index * rows, (index + 1) * rows);
  const found = slice.map((direction): Receptors => {
    const { component, index } = direction;
    const sigma = decomposed.get(component.name)!.s[index]!;
    const neurons = isLast(component.kind)
      ? neuronsOf(columnOf(component, index), architecture.dMlp, top)
      : null;
    return { direction, sigma, writes: null, reads: null, keys: null, neurons };
  });
  /** @param place writes a direction's vector into its row, and returns the value of its bias */
  const ends = async (
    vocabulary: Vocabulary,
    holds: (kind: Kind) => boolean,
    place: (row: Float32Array, index: number, own: Directions) => number,
    list: 'writes' | 'reads' | 'keys',
  ) => {
    const chosen = found.filter(({ direction }) => holds(direction.component.kind));
    const rows = new Float32Array(chosen.length * d);
    const offsets = chosen.map(({ direction: { component, index } }, at) =>
      place(rows.subarray(at * d, (at + 1) * d), index, decomposed.get(component.name)!),
    );
    (await vocabulary.ends(rows, top, offsets, signal)).forEach((each, at) => {
      chosen[at]![list] = each;
    });
  };
  const written = (row: Float32Array, index: number, { s, vt }: Directions) => {
    for (let i = 0; i < d; i++) row[i] = s[index]! * vt[index * d + i]!;
    return 0;
  };
  await ends(vocabularies.written, writes, written, 'writes');
  await ends(
    vocabularies.read,
    (kind) => !isLast(kind),
    (row, index, { component }) => {
      const column = columnOf(component, index);
      // Behind a bias, which has no token.
      row.set(column.subarray(column.length - d));
      return column.length > d ? column[0]! : 0;
    },
    'reads',
  );
  await ends(
    vocabularies.read,
    (kind) => kind === 'qk',
    (row, index, own) => {
      const { name, cols } = own.component;
      if (!architecture.rotary) {
        for (let i = 0; i < d; i++) row[i] = own.s[index]! * own.vt[index * cols + cols - d + i]!;
        return cols > d ? own.s[index]! * own.vt[index * cols]! : 0;
      }
      const all = factors.get(name)!;
      const width = all.length / own.component.rank;
      row.set(all.subarray((index + 1) * width - d, (index + 1) * width));
      return width > d ? all[index * width]! : 0;
    },
    'keys',
  );
  return found;
}

/** u_kᵀ[b_Q; W_Q]·[b_K; W_K]ᵀ, [rank, dModel and one for the bias]: at offset 0 nothing is turned. */
async function keyFactors(
  { component, u }: Directions,
  weights: LayerWeights,
  architecture: Architecture,
): Promise<Float32Array> {
  const { dHead } = architecture;
  const { rank, rows, head } = component;
  const query = augmentedHead(weights.q, head!, dHead);
  const key = augmentedHead(weights.k, kvHeadOf(head!, architecture), dHead);
  const factors = tf.tidy(() => {
    const inHead = tf.matMul(toTensor(u, [rows, rank]), toTensor(query, [rows, dHead]), true);
    return tf.matMul(inHead, toTensor(key, [key.length / dHead, dHead]), false, true);
  });
  const data = (await factors.data()) as Float32Array;
  factors.dispose();
  return data;
}

/** Those with the largest |u|. @param column u_k, which may begin with a bias: no neuron */
function neuronsOf(column: Float32Array, dMlp: number, top: number): TokenValue[] {
  const values = column.subarray(column.length - dMlp);
  const { highest, lowest } = endsOf(values, top);
  return [...highest, ...lowest]
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value) || a.id - b.id)
    .filter(({ id }, at, all) => at === 0 || id !== all[at - 1]!.id)
    .slice(0, top);
}

function isLast(kind: Kind): boolean {
  return kind === 'mlp_out' || kind === 'mlp_down';
}
