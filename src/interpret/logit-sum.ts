/**
 * The logit difference after a prompt as an exact sum: what each direction that writes to the stream adds at the last
 * token, the token's embedding, its position, and the unembedding's bias (docs/reading.md, "Logit differences").
 * Normalisations are frozen at the factors that they have in this pass, so that every term is linear in what is written.
 */

import { MaskLayout } from '../forward/layout.js';
import type { MaskedPassOptions } from '../forward/masked-model.js';
import { batchesByLength, FULL_PASSES } from '../forward/passes.js';
import { coefficientsOf, type PlaceInModel } from '../forward/places.js';
import { heed } from '../heed.js';
import type { Architecture } from '../models/architecture.js';
import { type Kind, kindsOf } from '../models/components.js';
import type { LongCall } from '../progress.js';
import { readByEach } from './engine-directions.js';
import { type Contrast, logitDifference, logitReader, normFactor, outputFactor } from './logit-reader.js';
import { type PlaceValues, placeValues, type Values } from './place-values.js';
import { type TakenApart, writes } from './taken-apart.js';

/** A prompt and what is asked of the logits after it. */
export interface Asked extends Contrast {
  /** Token ids. */
  clean: Int32Array;
}

export interface LogitSum {
  /** Of the model itself: the sum of all that follows. */
  logitDifference: number;
  /** What the last token's embedding adds, and its learned position (0 where there is none). */
  embedding: number;
  position: number;
  /** What the unembedding's bias adds. */
  bias: number;
  /** What each direction adds, in the layout's order. */
  directions: Float64Array;
  /** What one more of its coefficient σ_k y_k would add. */
  perUnit: Float64Array;
  /** Factor of the final normalisation. */
  finalScale: number;
}

export interface LogitSums {
  /** Of all OV directions and all of the MLPs' last matrix. */
  layout: MaskLayout;
  /** A sum for each prompt. */
  sums: LogitSum[];
}

export interface LogitSumOptions extends LongCall {
  /** How a batch is run: with masks, the sum is that of the masked run. Unmasked by default. */
  passOf?: (indices: readonly number[]) => MaskedPassOptions;
  /** Most positions, padding included, in one pass. */
  tokens?: number;
}

/**
 * @param apart with the directions of OV and of the MLPs' last matrix loaded
 * @param asked each with answers and distractors
 */
export async function logitSums(
  apart: TakenApart,
  asked: readonly Asked[],
  { passOf, tokens = FULL_PASSES.forward, onProgress, signal }: LogitSumOptions = {},
): Promise<LogitSums> {
  const { model, running, ends } = apart;
  const { architecture, qkSplit } = model;
  const layout = new MaskLayout(architecture, kindsOf(architecture).filter(writes), qkSplit);
  const places = placesOf(architecture);
  const sums = new Array<LogitSum>(asked.length);
  let done = 0;
  for (const batch of batchesByLength(
    asked.map(({ clean }) => clean.length),
    tokens,
  )) {
    await heed(signal);
    const prompts = batch.map((index) => asked[index]!.clean);
    const values = await placeValues(running, prompts, places, { ...passOf?.(batch), signal });
    const readers = batch.map((index, at) =>
      logitReader(ends, architecture, asked[index]!, values.logitsOf(at)),
    );
    const factors = prompts.map((_, at) =>
      normFactor(lastRow(values, at, lastStream(architecture)), architecture),
    );
    batch.forEach((index, at) => {
      const ids = prompts[at]!;
      const weights = readers[at]!.weights;
      const adds = (table: Float32Array | null, row: number) =>
        table === null ? 0 : factors[at]! * dot(weights, table, row * weights.length);
      sums[index] = {
        logitDifference: logitDifference(values.logitsOf(at), asked[index]!),
        embedding: adds(ends.embed, ids.at(-1)!),
        position: adds(ends.positions, ids.length - 1),
        bias: readers[at]!.bias,
        directions: new Float64Array(layout.size),
        perUnit: new Float64Array(layout.size),
        finalScale: factors[at]!,
      };
    });
    for (let layer = 0; layer < architecture.nLayers; layer++) {
      await heed(signal);
      const { norms } = architecture.postNorms ? await model.layer(layer) : {};
      for (const kind of layout.kinds) {
        const { start, length } = layout.block(layer, kind)!;
        const weights = readers.map((reader) => reader.weights);
        const read = await readByEach(running, layer, kind, weights);
        const sigma = running.sigma.subarray(running.layout.block(layer, kind)!.start);
        const normed = kind === 'ov' ? norms?.attention : norms?.mlp;
        batch.forEach((index, at) => {
          const coefficients = lastRow(values, at, { layer, place: coefficientsOf(kind) });
          const written = normed ? lastRow(values, at, { layer, place: writtenPlace(kind) }) : [];
          const rate = factors[at]! * outputFactor(written, normed, architecture.normEpsilon);
          const { directions, perUnit } = sums[index]!;
          for (let k = 0; k < length; k++) {
            const adds = rate * read[at * length + k]!;
            directions[start + k] = coefficients[k]! * adds;
            // OV's coefficients are σ_k y_k, and the MLP's y_k; what has no σ has no coefficient that could be more.
            perUnit[start + k] = kind === 'ov' ? adds : sigma[k] === 0 ? 0 : adds / sigma[k]!;
          }
        });
      }
    }
    done += batch.length;
    onProgress?.({ stage: 'logits', done, total: asked.length });
  }
  return { layout, sums };
}

/** What a component adds: the sum over its directions. */
export function byComponent(layout: MaskLayout, { directions }: LogitSum): Map<string, number> {
  return new Map(
    layout.components.map((component) => {
      const { start, length } = layout.of(component);
      return [
        component.name,
        directions.subarray(start, start + length).reduce((sum, value) => sum + value, 0),
      ];
    }),
  );
}

export const lastStream = ({ nLayers }: Architecture): PlaceInModel => ({
  layer: nLayers - 1,
  place: 'streamAfter',
});

export function writtenPlace(kind: Kind): 'attentionWritten' | 'mlpWritten' {
  return kind === 'ov' ? 'attentionWritten' : 'mlpWritten';
}

function placesOf(architecture: Architecture): PlaceInModel[] {
  const kinds = kindsOf(architecture).filter(writes);
  const layers = Array.from({ length: architecture.nLayers }, (_, layer) => layer);
  return [
    ...layers.flatMap((layer) => [
      ...kinds.map((kind): PlaceInModel => ({ layer, place: coefficientsOf(kind) })),
      ...(architecture.postNorms
        ? kinds.map((kind): PlaceInModel => ({ layer, place: writtenPlace(kind) }))
        : []),
    ]),
    lastStream(architecture),
  ];
}

/** The last position's row of a place, of one prompt: a view. */
export function lastRow(values: PlaceValues, prompt: number, place: PlaceInModel): Float32Array {
  const { data, shape }: Values = values.of(place);
  const width = shape.at(-1)!;
  const end = ((prompt + 1) * data.length) / values.prompts.length;
  return data.subarray(end - width, end);
}

/** weights · vector[from …]. */
function dot(weights: ArrayLike<number>, vector: ArrayLike<number>, from = 0): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += weights[i]! * vector[from + i]!;
  return sum;
}
