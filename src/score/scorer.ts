/** Runs passages through the model and hands what directions read to the threads, while the next block is computed. */

import type * as tf from '@tensorflow/tfjs-core';
import { longestOf } from '../forward/padded-prompts.js';
import { batchesByLength } from '../forward/passes.js';
import type { Transformer } from '../forward/transformer.js';
import { heed } from '../heed.js';
import type { LongCall } from '../progress.js';
import type { ScoredPositions } from '../settings/choices.js';
import type { ReadValues } from './direction-reader.js';
import {
  describePassage,
  describeRow,
  type LayerRows,
  PASSAGE_WORDS,
  ROW_WORDS,
  type Side,
} from './layer-rows.js';
import type { Passage } from './passages.js';
import type { ReaderThreads } from './reader-threads.js';
import { type ReadingBasis, type Source, sourcesOf } from './reading-basis.js';
import { ReusedMemory } from './reused-memory.js';
import { type LayerRun, sourcesOfLayers } from './sources.js';

/** Positions (padding included) in one forward pass. */
export const FORWARD_TOKENS = 4096;

/** Layers that may wait for the threads or be worked on; the forward pass waits before it adds another. */
export const LAYERS_IN_FLIGHT = 4;

/** Values of one layer, with the rows that they belong to. */
export interface LayerValues {
  rows: LayerRows;
  /** By basis; null for those of other layers. */
  values: (ReadValues | null)[];
}

/** Where the time went, in seconds. */
export interface ScoringTimes {
  /** The forward pass, downloads included. */
  forward: number;
  /** The main thread waiting for the others. */
  waiting: number;
  /** Working time of all threads that read, together. */
  reading: number;
}

interface InFlight {
  rows: LayerRows;
  memory: ReusedMemory;
  done: Promise<{ values: (ReadValues | null)[]; seconds: number }>;
}

export class Scorer {
  readonly times: ScoringTimes = { forward: 0, waiting: 0, reading: 0 };
  readonly #free: ReusedMemory[] = Array.from({ length: LAYERS_IN_FLIGHT + 1 }, () => new ReusedMemory());
  readonly #inFlight: InFlight[] = [];
  readonly #wanted = new Map<number, Set<Source>>();

  constructor(
    private readonly model: Transformer,
    private readonly readers: ReaderThreads,
    bases: readonly ReadingBasis[],
    private readonly positions: ScoredPositions,
  ) {
    for (const basis of bases) {
      const own = this.#wanted.get(basis.layer) ?? new Set();
      for (const source of sourcesOf(basis)) own.add(source);
      this.#wanted.set(basis.layer, own);
    }
  }

  /**
   * Scores passages; with `keep` it returns the values, layer by layer, once every thread has them. Otherwise what is
   * left at the end is still being worked on: see {@link drain}.
   * @throws InterruptedError if the signal fires; the threads have then taken in some of the layers
   */
  async *score(
    side: Side,
    passages: readonly Passage[],
    keep: boolean,
    { signal }: LongCall = {},
  ): AsyncGenerator<LayerValues> {
    const lengths = passages.map(({ ids }) => ids.length);
    for (const batch of batchesByLength(lengths, FORWARD_TOKENS)) {
      const inBatch = batch.map((at) => passages[at]!);
      const described = describe(inBatch, this.positions === 'last');
      const run = sourcesOfLayers(
        this.model,
        inBatch.map(({ ids }) => ids),
        this.positions === 'last',
        (layer) => this.#wanted.get(layer) ?? new Set(),
      );
      try {
        for (;;) {
          await heed(signal);
          const started = performance.now();
          const next = run.next();
          const memory = next.done ? null : this.#free.pop()!;
          const rows = memory && (await this.#layerRows(side, next.value as LayerRun, described, memory));
          this.times.forward += (performance.now() - started) / 1000;
          if (!rows) break;
          const done = this.readers.read(rows, keep);
          // Errors are thrown where the layer is awaited; until then Node must not take them for unhandled ones.
          done.catch(() => {});
          this.#inFlight.push({ rows, memory: memory!, done });
          if (this.#inFlight.length > LAYERS_IN_FLIGHT) {
            const values = await this.#settle();
            if (keep) yield values;
          }
        }
      } finally {
        run.return(undefined);
      }
    }
    while (keep && this.#inFlight.length > 0) yield await this.#settle();
  }

  /** Waits until the threads have taken in everything. */
  async drain(): Promise<void> {
    while (this.#inFlight.length > 0) await this.#settle();
  }

  async #settle(): Promise<LayerValues> {
    const { rows, memory, done } = this.#inFlight.shift()!;
    const started = performance.now();
    try {
      const { values, seconds } = await done;
      this.times.reading += seconds;
      return { rows, values };
    } finally {
      this.times.waiting += (performance.now() - started) / 1000;
      this.#free.push(memory);
    }
  }

  /** Copies a layer's tensors to shared memory, without the rows of padding, and each prompt's common beginning to it. */
  async #layerRows(
    side: Side,
    { layer, sources: tensors, common }: LayerRun,
    { counts, lengths, ...described }: Described,
    memory: ReusedMemory,
  ): Promise<LayerRows> {
    memory.clear();
    const sources: LayerRows['sources'] = {};
    for (const [name, tensor] of Object.entries(tensors) as [Source, tf.Tensor2D][]) {
      const values = (await tensor.data()) as Float32Array;
      const width = tensor.shape[1];
      tensor.dispose();
      const first = (await common[name]?.data()) as Float32Array | undefined;
      common[name]?.dispose();
      const shared = (first?.length ?? 0) / width;
      const kept = name === 'keys' ? tensor.shape[0] : described.rows;
      const target = memory.take(kept * width);
      if (kept === tensor.shape[0] && !first) target.set(values);
      else {
        const columns = tensor.shape[0] / counts.length;
        let at = 0;
        counts.forEach((count, prompt) => {
          const before = first ? Math.max(0, count - (lengths[prompt]! - shared)) : 0;
          if (before > 0) target.set(first!.subarray((shared - before) * width), at);
          const end = (prompt + 1) * columns * width;
          target.set(values.subarray(end - (count - before) * width, end), at + before * width);
          at += count * width;
        });
      }
      sources[name] = target;
    }
    return { layer, side, sources, ...described };
  }
}

type Described = Omit<LayerRows, 'layer' | 'side' | 'sources'> & {
  /** Scored positions of each prompt: its last ones. */
  counts: number[];
  /** Tokens of each. */
  lengths: number[];
};

/** What is the same for all layers of a batch. */
function describe(passages: readonly Passage[], lastOnly: boolean): Described {
  const columns = longestOf(passages.map(({ ids }) => ids));
  const counts = passages.map(({ ids, from }) => ids.length - from);
  const rows = counts.reduce((sum, count) => sum + count, 0);
  const descriptions = new Int32Array(new SharedArrayBuffer(4 * ROW_WORDS * rows));
  const described = new Int32Array(new SharedArrayBuffer(4 * PASSAGE_WORDS * passages.length));
  const tokens = new Int32Array(
    new SharedArrayBuffer(4 * passages.reduce((sum, { ids }) => sum + ids.length, 0)),
  );
  let [row, token] = [0, 0];
  passages.forEach(({ prompt, ids, from, shift }, b) => {
    const padding = columns - ids.length;
    tokens.set(ids, token);
    describePassage(described, b, { first: padding, scored: padding + from, row, shift: shift - padding });
    for (let at = from; at < ids.length; at++, row++) {
      const place = { prompt, position: shift + at, token: token + at };
      describeRow(descriptions, row, { ...place, before: at, scored: at - from });
    }
    token += ids.length;
  });
  return {
    rows,
    batch: passages.length,
    columns,
    lastOnly,
    descriptions,
    tokens,
    passages: described,
    counts,
    lengths: passages.map(({ ids }) => ids.length),
  };
}
