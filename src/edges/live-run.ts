/**
 * One pass over prompts, forwards and back: the values at all places where directions read the stream or write to it,
 * and the slope of the logit difference by what is read.
 */
import * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../engine/tensor.js';
import { coefficientsOf, mergedHooks, type PlaceInModel, PlaceReader } from '../forward/places.js';
import type { LossHead } from '../forward/transformer.js';
import { normFactor } from '../interpret/logit-reader.js';
import type { Asked } from '../interpret/logit-sum.js';
import { PlaceValues } from '../interpret/place-values.js';
import { type TakenApart, writes } from '../interpret/taken-apart.js';
import type { Architecture } from '../models/architecture.js';
import { type Kind, kindsOf } from '../models/components.js';
import type { LongCall } from '../progress.js';

/** Where the stream is read: by a layer's attention, by its MLP, or by the logits. */
export interface ReadingPlace {
  /** The number of layers, for the logits. */
  layer: number;
  at: 'attention' | 'mlp' | 'logits';
}

/** What is read there: the stream, and the same normalised. */
export function readAt(
  { layer, at }: ReadingPlace,
  { parallelResidual }: Architecture,
): Record<'stream' | 'input', PlaceInModel> {
  if (at === 'logits')
    return { stream: { layer: layer - 1, place: 'streamAfter' }, input: { place: 'final' } };
  if (at === 'attention')
    return { stream: { layer, place: 'streamBefore' }, input: { layer, place: 'attentionInput' } };
  const stream = parallelResidual ? 'streamBefore' : 'streamBetween';
  return { stream: { layer, place: stream }, input: { layer, place: 'mlpInput' } };
}

export class LiveRun {
  constructor(
    readonly architecture: Architecture,
    readonly asked: readonly Asked[],
    readonly values: PlaceValues,
    private readonly slopes: PlaceValues,
  ) {}

  /** A token's row of a place of the shape [batch·positions, width] or [batch, positions, width]; null if it was not computed. */
  row(
    prompt: number,
    token: number,
    place: PlaceInModel,
    of: 'values' | 'slopes' = 'values',
  ): Float32Array | null {
    const { data, shape } = this[of].of(place);
    const width = shape.at(-1)!;
    const rows = data.length / width / this.asked.length;
    const at = rows - this.asked[prompt]!.clean.length + token;
    if (at < 0) return null;
    const from = (prompt * rows + at) * width;
    return data.subarray(from, from + width);
  }

  /** Whether a layer's heads and MLP are computed at a token: the last layer's are at the last one alone. */
  has(layer: number, prompt: number, token: number): boolean {
    return layer < this.architecture.nLayers - 1 || token === this.asked[prompt]!.clean.length - 1;
  }

  /** What a query sees of `scores` or `pattern`, or the slopes by the scores: [keys]. */
  seen(
    prompt: number,
    layer: number,
    head: number,
    query: number,
    which: 'scores' | 'pattern' | 'slopes',
  ): Float32Array {
    const place = { layer, place: which === 'slopes' ? 'scores' : which } as const;
    const { data, shape } = (which === 'slopes' ? this.slopes : this.values).of(place);
    const [, batch, queries, keys] = shape as [number, number, number, number];
    const { length } = this.asked[prompt]!.clean;
    const from = ((head * batch + prompt) * queries + queries - length + query) * keys + keys - length;
    return data.subarray(from, from + query + 1);
  }

  /** A token's row of a place of the shape [heads, batch, positions, width]. */
  ofHead(
    prompt: number,
    layer: number,
    head: number,
    token: number,
    place: 'k' | 'queryRate' | 'keyRate',
  ): Float32Array {
    const { data, shape } = this.values.of({ layer, place });
    const [, batch, positions, width] = shape as [number, number, number, number];
    const at = (head * batch + prompt) * positions + positions - this.asked[prompt]!.clean.length + token;
    return data.subarray(at * width, (at + 1) * width);
  }

  /** Factor of the normalisation of what is read. */
  rate(prompt: number, token: number, place: ReadingPlace): number {
    return normFactor(this.row(prompt, token, readAt(place, this.architecture).stream)!, this.architecture);
  }
}

/**
 * @param apart with the directions of all kinds loaded
 * @param asked one batch, each with answers and distractors
 */
export async function liveRun(
  { model, running }: TakenApart,
  asked: readonly Asked[],
  { signal }: LongCall = {},
): Promise<LiveRun> {
  const { architecture } = model;
  const places = placesOf(architecture);
  const pulled = slopePlaces(architecture);
  const reader = new PlaceReader(places);
  const slopes = new PlaceReader(pulled, { gradients: true });
  const prompts = asked.map(({ clean }) => clean);
  const contrast = toTensor(contrasts(asked, architecture.nVocab), [
    asked.length,
    architecture.nVocab,
  ]) as tf.Tensor2D;
  let logits: tf.Tensor | null = null;
  const head: LossHead = {
    key: {},
    inputs: [],
    pull: (given) => {
      logits = tf.keep(tf.clone(given));
      return { dLogits: contrast, values: [tf.sum(tf.mul(given, contrast)) as tf.Scalar] };
    },
  };
  await running.pullBack(prompts, head, {
    hooks: mergedHooks(reader.hooks, slopes.hooks),
    positions: 'all',
    signal,
  });
  const download = async (kept: tf.Tensor) => ({
    data: (await kept.data()) as Float32Array,
    shape: kept.shape,
  });
  const found = new PlaceValues(
    prompts,
    (await logits!.data()) as Float32Array,
    await Promise.all(
      [...places, ...pulled].map(async (place, at) => {
        const of = at < places.length ? reader : slopes;
        return [place, await download(of.value(place.layer, place.place))] as const;
      }),
    ),
  );
  const gradients = await Promise.all(
    pulled.map(async (place) => [place, await download(slopes.gradient(place.layer, place.place))] as const),
  );
  const run = new LiveRun(architecture, asked, found, new PlaceValues(prompts, found.logits, gradients));
  tf.dispose([contrast, logits!]);
  reader.dispose();
  slopes.dispose();
  return run;
}

/** Row-major [prompts, nVocab]: its product with the logits is the logit difference. */
export function contrasts(asked: readonly Asked[], nVocab: number): Float32Array {
  const values = new Float32Array(asked.length * nVocab);
  asked.forEach(({ answers, distractors }, row) => {
    for (const token of Array.from(answers)) values[row * nVocab + token]! += 1 / answers.length;
    for (const token of Array.from(distractors)) values[row * nVocab + token]! -= 1 / distractors.length;
  });
  return values;
}

/** Kinds whose directions read the stream. */
export function reads(kind: Kind): boolean {
  return kind === 'ov' || !writes(kind);
}

function placesOf(architecture: Architecture): PlaceInModel[] {
  const { nLayers, rotary, queryKeyNorm, postNorms, parallelResidual } = architecture;
  const last = kindsOf(architecture).at(-1)!;
  return [
    ...Array.from({ length: nLayers }, (_, layer): PlaceInModel[] => [
      { layer, place: 'streamBefore' },
      { layer, place: 'attentionInput' },
      ...(parallelResidual ? [] : [{ layer, place: 'streamBetween' } as const]),
      { layer, place: 'mlpInput' },
      { layer, place: 'qk.coefficients' },
      { layer, place: 'pattern' },
      ...(rotary ? [{ layer, place: 'k' } as const] : []),
      ...(queryKeyNorm === undefined
        ? []
        : [{ layer, place: 'queryRate' } as const, { layer, place: 'keyRate' } as const]),
      ...(postNorms
        ? [{ layer, place: 'attentionWritten' } as const, { layer, place: 'mlpWritten' } as const]
        : []),
      { layer, place: 'attentionOutput' },
      { layer, place: 'mlpOutput' },
      { layer, place: coefficientsOf(last) },
    ]).flat(),
    { layer: nLayers - 1, place: 'streamAfter' },
    { place: 'final' },
  ];
}

/** Places that are pulled back to: scores, and what reads the stream but for QK, whose scores have it all. */
function slopePlaces(architecture: Architecture): PlaceInModel[] {
  const kinds = kindsOf(architecture).filter((kind) => reads(kind) && kind !== 'qk');
  return Array.from({ length: architecture.nLayers }, (_, layer): PlaceInModel[] => [
    { layer, place: 'scores' },
    ...kinds.map((kind): PlaceInModel => ({ layer, place: coefficientsOf(kind) })),
  ]).flat();
}
