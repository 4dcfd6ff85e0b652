/**
 * What directions write and read, in tokens (docs/reading.md, "Receptors").
 *
 * - Writing ones raise and lower logits by σ_k v_k W_U for each unit of their coefficient y_k, the final norm's gain
 *   folded into W_U, its factor left out. What a direction adds to all logits alike is left out, too: no softmax sees it.
 * - Those that read the stream read token t, alone in it, with y_k = [1, norm(E_t)]·u_k.
 * - A QK direction reads queries so, and as keys those with a large factor: score = scale · y_k · factor, at offset 0.
 * - An MLP's last matrix reads hidden neurons, by u_k.
 */
import type { Directions } from '../decompose/directions.js';
import { augmentedHead } from '../decompose/factors.js';
import { throwIfAborted } from '../errors.js';
import { type Architecture, kvHeadOf } from '../models/architecture.js';
import type { Kind } from '../models/components.js';
import type { LayerWeights } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import type { Direction } from './coefficients.js';
import type { TakenApart } from './taken-apart.js';
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

/**
 * Layer after layer, in the order given.
 * @param embedding [nVocab, dModel], what stands for each token; the model's embedding by default
 * @param spelt tokens that are listed, the first ones; all by default
 */
export async function* receptors(
  { model, decomposition, ends }: Pick<TakenApart, 'model' | 'decomposition' | 'ends'>,
  directions: readonly Direction[],
  {
    top = 10,
    spelt,
    embedding = ends.embed,
    onProgress,
    signal,
  }: {
    top?: number;
    spelt?: number;
    embedding?: Float32Array;
  } & LongCall = {},
): AsyncGenerator<Receptors[]> {
  const { architecture } = model;
  const { dModel: d, nVocab, nLayers } = architecture;
  const written = new Vocabulary(logitColumns(ends, architecture), d, nVocab, spelt);
  const read = new Vocabulary(normalisedColumns(embedding, architecture), d, nVocab, spelt);
  try {
    for (let layer = 0; layer < nLayers; layer++) {
      const ofLayer = directions.filter(({ component }) => component.layer === layer);
      const names = [...new Set(ofLayer.map(({ component }) => component.name))];
      if (names.length === 0) continue;
      const weights = await model.layer(layer);
      const decomposed = await decomposition.layer(layer, names);
      for (let from = 0; from < ofLayer.length; from += SLICE) {
        throwIfAborted(signal);
        const slice = ofLayer.slice(from, from + SLICE);
        yield await ofSlice(slice, decomposed, weights, architecture, { written, read }, top, signal);
      }
      onProgress?.({ stage: 'receptors', done: layer + 1, total: nLayers });
    }
  } finally {
    written.dispose();
    read.dispose();
  }
}

async function ofSlice(
  slice: readonly Direction[],
  decomposed: Map<string, Directions>,
  weights: LayerWeights,
  architecture: Architecture,
  { written, read }: { written: Vocabulary; read: Vocabulary },
  top: number,
  signal?: AbortSignal,
): Promise<Receptors[]> {
  const { dModel: d } = architecture;
  const found = slice.map((direction): Receptors => {
    const { u, s } = decomposed.get(direction.component.name)!;
    const { kind, rank } = direction.component;
    const neurons = isLast(kind) ? neuronsOf(u, rank, direction.index, architecture.dMlp, top) : null;
    return { direction, sigma: s[direction.index]!, writes: null, reads: null, keys: null, neurons };
  });
  const ends = async (
    vocabulary: Vocabulary,
    holds: (kind: Kind) => boolean,
    vectorOf: (direction: Direction, own: Directions) => { vector: ArrayLike<number>; offset: number },
    set: (receptors: Receptors, ends: TokenEnds) => void,
  ) => {
    const chosen = found.filter(({ direction }) => holds(direction.component.kind));
    const rows = new Float32Array(chosen.length * d);
    const offsets = chosen.map(({ direction }, at) => {
      const { vector, offset } = vectorOf(direction, decomposed.get(direction.component.name)!);
      rows.set(vector, at * d);
      return offset;
    });
    (await vocabulary.ends(rows, top, offsets, signal)).forEach((each, at) => set(chosen[at]!, each));
  };
  await ends(
    written,
    (kind) => kind === 'ov' || isLast(kind),
    ({ index }, { s, vt }) => ({
      vector: vt.subarray(index * d, (index + 1) * d).map((value) => s[index]! * value),
      offset: 0,
    }),
    (receptors, each) => {
      receptors.writes = each;
    },
  );
  await ends(
    read,
    (kind) => !isLast(kind),
    ({ index, component: { rows, rank } }, { u }) =>
      augmented(
        Float32Array.from({ length: rows }, (_, r) => u[r * rank + index]!),
        d,
      ),
    (receptors, each) => {
      receptors.reads = each;
    },
  );
  const factors = new Map<string, Float64Array>();
  await ends(
    read,
    (kind) => kind === 'qk',
    ({ index, component: { name, cols } }, own) => {
      if (!architecture.rotary) {
        const v = own.vt.subarray(index * cols, (index + 1) * cols);
        return augmented(
          v.map((value) => own.s[index]! * value),
          d,
        );
      }
      const all = factors.get(name) ?? keyFactors(own, weights, architecture);
      factors.set(name, all);
      const width = all.length / own.component.rank;
      return augmented(all.subarray(index * width, (index + 1) * width), d);
    },
    (receptors, each) => {
      receptors.keys = each;
    },
  );
  return found;
}

/** Behind a bias, which has no token. */
function augmented(row: ArrayLike<number>, d: number): { vector: ArrayLike<number>; offset: number } {
  const values = Array.from(row);
  return values.length > d ? { vector: values.slice(1), offset: values[0]! } : { vector: values, offset: 0 };
}

/** [b_K; W_K]·[b_Q; W_Q]ᵀu_k, [rank, dModel and one for the bias]: at offset 0 nothing is turned. */
function keyFactors(
  { component, u }: Directions,
  weights: LayerWeights,
  architecture: Architecture,
): Float64Array {
  const { dHead } = architecture;
  const { rank, rows, head } = component;
  const query = augmentedHead(weights.q, head!, dHead);
  const key = augmentedHead(weights.k, kvHeadOf(head!, architecture), dHead);
  const width = key.length / dHead;
  const out = new Float64Array(rank * width);
  const inHead = new Float64Array(dHead);
  for (let k = 0; k < rank; k++) {
    inHead.fill(0);
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < dHead; c++) inHead[c]! += u[r * rank + k]! * query[r * dHead + c]!;
    for (let r = 0; r < width; r++)
      for (let c = 0; c < dHead; c++) out[k * width + r]! += key[r * dHead + c]! * inHead[c]!;
  }
  return out;
}

/** Those with the largest |u|. */
function neuronsOf(u: Float32Array, rank: number, index: number, dMlp: number, top: number): TokenValue[] {
  // A bias row is no neuron.
  const from = u.length / rank - dMlp;
  const values = Float32Array.from({ length: dMlp }, (_, neuron) => u[(from + neuron) * rank + index]!);
  return endsOf(values.map(Math.abs), Math.min(top, dMlp)).highest.map(({ id }) => ({
    id,
    value: values[id]!,
  }));
}

function isLast(kind: Kind): boolean {
  return kind === 'mlp_out' || kind === 'mlp_down';
}
