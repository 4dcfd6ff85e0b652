/**
 * The direct effect of what one direction writes on what another reads, through the stream (docs/maths.md, "Edges").
 * Every reader's figure is the sum of its edges, to rounding: from the circuit's directions, from the embeddings of
 * tokens and positions, from its own bias, and from all other directions together.
 */

import { InputError } from '../errors.js';
import { formatByteSize } from '../formats/byte-size.js';
import { batchesByLength } from '../forward/passes.js';
import { heed } from '../heed.js';
import type { Direction } from '../interpret/coefficients.js';
import { type Contrast, type LogitReader, logitReader } from '../interpret/logit-reader.js';
import type { Asked } from '../interpret/logit-sum.js';
import type { Mean } from '../interpret/mean-of.js';
import { type TakenApart, writes } from '../interpret/taken-apart.js';
import type { Architecture } from '../models/architecture.js';
import { isHead } from '../models/components.js';
import type { EndWeights } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import { normalQuantile } from '../statistics/normal.js';
import { type LiveRun, liveRun, type ReadingPlace, readAt, reads } from './live-run.js';
import { dot, type PlaceReaders, type Reader, readersOf, type Term } from './readers.js';
import { reaches, type Writer, writersOf } from './writers.js';

/** What reaches a reader besides the circuit's directions. */
export const FURTHER = ['embedding', 'position', 'bias', 'others'] as const;

/** All that can be said before any prompt is run. */
export interface Web {
  apart: TakenApart;
  writers: Writer[];
  places: WebPlace[];
  /** The last place, whose reader is another for each prompt. */
  logits: { place: ReadingPlace; writers: number[] };
}

export interface WebPlace extends PlaceReaders {
  /** Which writers reach it. */
  writers: number[];
  /** axis · v, [axes][writers that reach it]. */
  products: Float64Array[];
}

/** Bytes for an edge's sums, and for what is said of it. */
const EDGE_BYTES = 4 * 8 + 300;

/** How many edges there will be, those from {@link FURTHER} included. */
function edgeCount(directions: readonly Direction[], architecture: Architecture): number {
  const readers: ReadingPlace[] = [{ layer: architecture.nLayers, at: 'logits' }];
  const writing: { layer: number; at: 'attention' | 'mlp' }[] = [];
  for (const { component } of directions) {
    const { layer, kind } = component;
    const at = isHead(component) ? 'attention' : 'mlp';
    if (writes(kind)) writing.push({ layer, at });
    if (reads(kind)) readers.push({ layer, at });
    if (kind === 'qk') readers.push({ layer, at });
  }
  const reaching = new Map<string, number>();
  return readers.reduce((sum, place) => {
    const key = `${place.layer} ${place.at}`;
    if (!reaching.has(key))
      reaching.set(key, writing.filter((writer) => reaches(writer, place, architecture)).length);
    return sum + reaching.get(key)! + FURTHER.length;
  }, 0);
}

/** @param memory most bytes to take; null: four gigabytes */
export function checkSize(
  directions: readonly Direction[],
  architecture: Architecture,
  memory: number | null,
): { edges: number; bytes: number } {
  const edges = edgeCount(directions, architecture);
  const bytes = edges * EDGE_BYTES;
  const most = memory ?? 4e9;
  if (bytes > most)
    throw new InputError(
      `${directions.length.toLocaleString('en')} directions have ${edges.toLocaleString('en')} edges, which take ${formatByteSize(bytes)}; ` +
        `give fewer --directions${memory === null ? '' : ', or more --memory'}`,
    );
  return { edges, bytes };
}

export async function webOf(apart: TakenApart, directions: readonly Direction[]): Promise<Web> {
  const { architecture } = apart.model;
  const writers = await writersOf(apart, directions);
  const reaching = (place: ReadingPlace) =>
    writers.flatMap((writer, at) => (reaches(writer, place, architecture) ? [at] : []));
  const places = (await readersOf(apart, directions)).map((readers): WebPlace => {
    const own = reaching(readers.place);
    const products = readers.axes.map((axis) =>
      Float64Array.from(own, (at) => dot(axis, writers[at]!.vector)),
    );
    return { ...readers, writers: own, products };
  });
  const place: ReadingPlace = { layer: architecture.nLayers, at: 'logits' };
  return { apart, writers, places, logits: { place, writers: reaching(place) } };
}

/** The place of the logits as a prompt reads it: along one axis, that of its logit difference. */
export function logitPlace(web: Web, run: LiveRun, prompt: number): WebPlace {
  return placeAlong(web, readerOf(web, run, prompt, run.asked[prompt]!));
}

/** The same for single tokens: each one's logit, above the mean of the vocabulary. */
export function tokenPlaces(web: Web, run: LiveRun, prompt: number, tokens: readonly number[]): WebPlace[] {
  const every = Int32Array.from({ length: run.architecture.nVocab }, (_, id) => id);
  const mean = readerOf(web, run, prompt, { answers: every, distractors: [] });
  return tokens.map((id) => {
    const { weights, bias } = readerOf(web, run, prompt, { answers: [id], distractors: [] });
    return placeAlong(web, {
      weights: weights.map((value, i) => value - mean.weights[i]!),
      bias: bias - mean.bias,
    });
  });
}

function readerOf({ apart }: Web, run: LiveRun, prompt: number, contrast: Contrast): LogitReader {
  return logitReader(apart.ends, run.architecture, contrast, run.values.logitsOf(prompt));
}

function placeAlong({ writers, logits }: Web, { weights, bias }: LogitReader): WebPlace {
  const reader: Reader = {
    ...{ name: 'logits', side: 'logits', direction: null, axes: [0] },
    terms: (_run, _prompt, token) => [{ token, key: token, weights: [1], value: 1, slope: 1 }],
  };
  return {
    ...{ place: logits.place, axes: [weights], biases: [bias], readers: [reader], writers: logits.writers },
    products: [Float64Array.from(logits.writers, (at) => dot(weights, writers[at]!.vector))],
  };
}

/** What reaches a reader in one prompt. */
export interface Reached {
  reader: Reader;
  /** From the place's writers in their order, and then from {@link FURTHER}: parts of the reader's figure. */
  values: Float64Array;
  /** The same as parts of the logit difference, to first order. */
  predicted: Float64Array;
  /** The figure itself. */
  whole: number;
}

/**
 * @param tokens at which readers read; what they have there is averaged, and what follows from it added up. The
 * logits are read at the last token
 */
export function* reachedAt(
  web: Web,
  place: WebPlace,
  run: LiveRun,
  prompt: number,
  tokens: readonly number[],
): Generator<Reached> {
  const { layer, at } = place.place;
  const there =
    at === 'logits'
      ? [run.asked[prompt]!.clean.length - 1]
      : tokens.filter((token) => run.has(layer, prompt, token));
  const seen = streamAt(web, place, run, prompt);
  const n = place.writers.length;
  for (const reader of place.readers) {
    const values = new Float64Array(n + FURTHER.length);
    const predicted = new Float64Array(n + FURTHER.length);
    let [whole, slopes] = [0, 0];
    const terms = there.flatMap((token) => reader.terms(run, prompt, token));
    for (const [token, { value, slope }] of pooled(terms, reader.axes.length)) {
      const along = seen(token);
      reader.axes.forEach((axis, s) => {
        const [forValue, forSlope] = [value[s]! / there.length, slope[s]!];
        const { parts, reading } = along(axis);
        for (let w = 0; w < parts.length; w++) {
          values[w]! += forValue * parts[w]!;
          predicted[w]! += forSlope * parts[w]!;
        }
        whole += forValue * reading;
        slopes += forSlope * reading;
      });
    }
    values[n + FURTHER.indexOf('others')] = whole - total(values);
    predicted[n + FURTHER.indexOf('others')] = slopes - total(predicted);
    yield { reader, values, predicted, whole };
  }
}

/** Weights of each token that is read, [axes]. */
export function pooled(terms: readonly Term[], axes: number) {
  const found = new Map<number, Record<'value' | 'slope', Float64Array>>();
  for (const { token, weights, value, slope } of terms) {
    let own = found.get(token);
    if (!own) {
      own = { value: new Float64Array(axes), slope: new Float64Array(axes) };
      found.set(token, own);
    }
    for (let s = 0; s < axes; s++) {
      own.value[s]! += value * weights[s]!;
      own.slope[s]! += slope * weights[s]!;
    }
  }
  return found;
}

/** By token and axis: the reading, and what it is the sum of but for what others write. */
export function streamAt({ apart, writers }: Web, place: WebPlace, run: LiveRun, prompt: number) {
  const { input } = readAt(place.place, run.architecture);
  const at = (token: number) => {
    const rate = run.rate(prompt, token, place.place);
    const amounts = place.writers.map((w) => rate * writers[w]!.amount(run, prompt, token));
    const embedded = embeddingsAt(apart.ends, run, prompt, token);
    const x = run.row(prompt, token, input)!;
    return remembered((axis: number) => {
      const vector = place.axes[axis]!;
      const bias = place.biases[axis]!;
      const parts = new Float64Array(amounts.length + FURTHER.length - 1);
      amounts.forEach((amount, w) => {
        parts[w] = amount * place.products[axis]![w]!;
      });
      embedded.forEach((row, which) => {
        parts[amounts.length + which] = rate * dot(row, vector);
      });
      parts[parts.length - 1] = bias;
      return { parts, reading: dot(x, vector) + bias };
    });
  };
  return remembered(at);
}

function remembered<T>(make: (key: number) => T): (key: number) => T {
  const made = new Map<number, T>();
  return (key) => {
    if (!made.has(key)) made.set(key, make(key));
    return made.get(key)!;
  };
}

/** A token's embedding and that of its position, [dModel]; the second is empty where positions are not learned. */
export function embeddingsAt(
  { embed, positions }: EndWeights,
  run: LiveRun,
  prompt: number,
  token: number,
): [embedding: Float32Array, position: Float32Array] {
  const { dModel: d } = run.architecture;
  const id = run.asked[prompt]!.clean[token]!;
  return [embed.subarray(id * d, (id + 1) * d), positions?.subarray(token * d, (token + 1) * d) ?? NOTHING];
}

const NOTHING = new Float32Array(0);

function total(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** An edge between two directions, or from an embedding, or to the logits. */
export interface Edge {
  /** Name of a direction, or one of {@link FURTHER}. */
  writer: string;
  reader: Reader;
  place: WebPlace['place'];
  /** Part of the reader's figure, mean over prompts. */
  value: Mean;
  /** Part of the logit difference, to first order. */
  predicted: Mean;
}

export interface Edges {
  edges: Edge[];
  prompts: number;
}

/**
 * All edges of a web, on prompts.
 * @param tokens of each prompt, at which readers read
 * @param options.level coverage of intervals
 */
export async function meanEdges(
  web: Web,
  asked: readonly Asked[],
  tokens: readonly (readonly number[])[],
  { level, onProgress, signal }: { level: number } & LongCall,
): Promise<Edges> {
  const sums = new Map<string, { reader: Reader; place: ReadingPlace; writers: number[]; of: Moments }>();
  let done = 0;
  for (const batch of batchesByLength(
    asked.map(({ clean }) => clean.length),
    AT_ONCE,
  )) {
    await heed(signal);
    const run = await liveRun(
      web.apart,
      batch.map((index) => asked[index]!),
    );
    for (const [at, index] of batch.entries())
      for (const place of [...web.places, logitPlace(web, run, at)]) {
        await heed(signal);
        for (const { reader, values, predicted } of reachedAt(web, place, run, at, tokens[index]!)) {
          const key = `${reader.name} ${reader.side}`;
          let own = sums.get(key);
          if (!own) {
            own = { reader, place: place.place, writers: place.writers, of: new Moments(values.length) };
            sums.set(key, own);
          }
          own.of.add(values, predicted);
        }
      }
    done += batch.length;
    onProgress?.({ stage: 'edges', done, total: asked.length });
  }
  const edges = [...sums.values()].flatMap(({ reader, place, writers, of }) =>
    [...writers.map((w) => web.writers[w]!.name), ...FURTHER].map((writer, at): Edge => {
      const { value, predicted } = of.means(at, level);
      return { writer, reader, place, value, predicted };
    }),
  );
  return { edges, prompts: asked.length };
}

/** Positions in one pass: all that directions read and write there is kept. */
export const AT_ONCE = 512;

/** Sums of what is averaged, and of squares. */
class Moments {
  #n = 0;
  readonly #sums: Float64Array[];

  constructor(width: number) {
    this.#sums = Array.from({ length: 4 }, () => new Float64Array(width));
  }

  add(values: Float64Array, predicted: Float64Array): void {
    this.#n++;
    [values, predicted].forEach((of, which) => {
      for (let at = 0; at < of.length; at++) {
        this.#sums[2 * which]![at]! += of[at]!;
        this.#sums[2 * which + 1]![at]! += of[at]! ** 2;
      }
    });
  }

  means(at: number, level: number): Record<'value' | 'predicted', Mean> {
    const n = this.#n;
    const of = (which: number): Mean => {
      const mean = this.#sums[2 * which]![at]! / n;
      if (n < 2) return { n, mean, low: null, high: null };
      const variance = Math.max(0, (this.#sums[2 * which + 1]![at]! / n - mean ** 2) * (n / (n - 1)));
      const reach = normalQuantile((1 + level) / 2) * Math.sqrt(variance / n);
      return { n, mean, low: mean - reach, high: mean + reach };
    };
    return { value: of(0), predicted: of(1) };
  }
}
