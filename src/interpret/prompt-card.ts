/** All that the page shows of one prompt: next tokens, exact sums and attention, of the full model and of the circuit. */
import * as tf from '@tensorflow/tfjs-core';
import type { TokenPair } from '../formats/token-pairs.js';
import type { PlaceInModel } from '../forward/places.js';
import { heed } from '../heed.js';
import { type Changes, lastLogits } from '../masks/last-logits.js';
import type { Component } from '../models/components.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import { directionName } from './coefficients.js';
import { valueReaders } from './engine-directions.js';
import { placesOfHead } from './head-sum.js';
import { logitDifference } from './logit-reader.js';
import { byComponent, type LogitSums, logitSums } from './logit-sum.js';
import { logProbabilities } from './outcomes.js';
import { type PlaceValues, placeValues } from './place-values.js';
import { ScoreSum } from './score-sum.js';
import { softmax } from './softmax.js';
import type { TakenApart } from './taken-apart.js';
import { type LayerReach, layerReach } from './token-reach.js';

/** What a logit difference is the exact sum of: `total` = embedding + position + bias + Σ components. */
export interface LogitParts {
  total: number;
  embedding: number;
  position: number;
  bias: number;
  components: [name: string, value: number][];
  /** The largest directions that write, by magnitude; the others' sum is `other_directions`. */
  directions: [name: string, value: number][];
  other_directions: number;
}

/** A head's attention: a row for each query, a column for each key that it sees. */
export interface HeadPattern {
  head: string;
  full: number[][];
  /** What the kept directions alone make of the same inputs; null where none is kept, or there is no circuit. */
  kept: number[][] | null;
  /** Of the last token as query, what each kept direction alone would make of it. */
  alone: [direction: string, row: number[]][];
}

/** What is known of a prompt first. */
export interface CardBegun {
  id: string;
  group: string | null;
  tokens: string[];
  /** Null where there is none. */
  corrupted: string[] | null;
  answers: string[];
  distractors: string[];
  /** Probabilities. */
  next_tokens: { id: number; token: string; full: number; circuit: number | null }[];
  /** KL(full ‖ circuit) in nats; null without a circuit. */
  kl: number | null;
}

/** A card while it is made. */
export interface CardSoFar extends CardBegun, Partial<Omit<PromptCard, keyof CardBegun>> {
  /** Logit differences; null where there is none. */
  totals: { full: number; circuit: number | null } | null;
}

export interface PromptCard extends CardBegun {
  full: LogitParts | null;
  circuit: LogitParts | null;
  /** By layer; null where there is no logit difference, absent from cards of earlier programs. */
  reach?: LayerReach[] | null;
  attention: HeadPattern[];
}

export interface CardOptions extends LongCall {
  spell(id: number): string;
  /** Next tokens, and directions of each sum. */
  tokens?: number;
  directions?: number;
  /** What is changed in the circuit's passes besides masks. */
  changes?: Changes | null;
  /** Of the same prompt, if other masks were tried on it before. */
  unmasked?: UnmaskedPrompt;
  /** Called with what is known already, next tokens first. */
  onPart?(card: CardSoFar): void;
}

/** What the unmasked model does on a prompt, kept while masks are tried on it. */
export class UnmaskedPrompt {
  sums: LogitSums | null = null;
  /** Of all layers; kept only where they are small enough to be read at once. */
  values: PlaceValues | null = null;
}

/**
 * @param prepared the pair's place among pairs that were made ready, for what stands in for left-out directions
 * @param masks of the circuit, flat; null: none
 */
export async function promptCard(
  apart: TakenApart,
  prepared: PreparedPairs,
  index: number,
  masks: Float32Array | null,
  {
    spell,
    tokens = 10,
    directions = 60,
    changes,
    unmasked = new UnmaskedPrompt(),
    onPart,
    onProgress,
    signal,
  }: CardOptions,
): Promise<PromptCard> {
  const pair = prepared.pairs[index]!;
  const contrasted = pair.answers.length > 0 && pair.distractors.length > 0;
  // In passes, nearly.
  const total = 1 + (contrasted ? (masks ? 2 : 1) : 0) + 1;
  let done = 0;
  const progress = (stage: string, more = 0) => onProgress?.({ stage, done: done + more, total });

  progress('next tokens');
  const ones = new Float32Array(apart.running.layout.size).fill(1);
  const call = { signal, changes };
  const { full, masked } = await lastLogits(prepared, [index], masks ?? ones, undefined, call);
  done++;
  const [p, q] = [logProbabilities(full), masks && logProbabilities(masked)];
  const texts = (ids: Int32Array) => Array.from(ids, spell);
  const begun: CardBegun = {
    id: pair.id,
    group: pair.group ?? null,
    tokens: texts(pair.clean),
    corrupted: pair.corrupted && texts(pair.corrupted),
    answers: texts(pair.answers),
    distractors: texts(pair.distractors),
    next_tokens: likeliest(p, q, tokens).map((next) => ({ ...next, token: spell(next.id) })),
    kl: q && divergence(p, q),
  };
  const [fullTotal, maskedTotal] = [full, masked].map((logits) => logitDifference(logits, pair));
  const totals = contrasted ? { full: fullTotal!, circuit: masks && maskedTotal! } : null;
  onPart?.({ ...begun, totals });

  progress('logit difference');
  const sumsUnder = async (own: Float32Array | null) => {
    const sums = await sumsOf(apart, prepared, index, own, call);
    done++;
    progress('logit difference');
    return sums;
  };
  if (contrasted) unmasked.sums ??= await sumsUnder(null);
  const parts = (sums: LogitSums | null, total: number) => sums && partsOf(sums, total, directions);
  const summed = {
    full: parts(unmasked.sums, fullTotal!),
    circuit: masks && contrasted ? parts(await sumsUnder(masks), maskedTotal!) : null,
  };
  onPart?.({ ...begun, totals, ...summed });

  done = total - 1;
  const { attention, reach } = await heads(apart, pair, masks, unmasked, {
    signal,
    onProgress: ({ done, total }) => progress('attention', done / total),
  });
  return { ...begun, ...summed, reach, attention };
}

async function sumsOf(
  apart: TakenApart,
  prepared: PreparedPairs,
  index: number,
  masks: Float32Array | null,
  { signal, changes }: Pick<CardOptions, 'signal' | 'changes'>,
): Promise<LogitSums> {
  const pair = prepared.pairs[index]!;
  if (!masks) return logitSums(apart, [pair], { signal });
  const baseline = prepared.baseline([index]);
  try {
    return await logitSums(apart, [pair], {
      passOf: () => ({ masks, baseline, ...changes?.([index]) }),
      signal,
    });
  } finally {
    tf.dispose(baseline as unknown as tf.TensorContainer);
  }
}

function partsOf({ layout, sums }: LogitSums, total: number, most: number): LogitParts {
  const sum = sums[0]!;
  const { embedding, position, bias } = sum;
  const named = layout.components.flatMap((component) =>
    Array.from({ length: component.rank }, (_, k): [string, number] => [
      directionName({ component, index: k }),
      sum.directions[layout.of(component).start + k]!,
    ]),
  );
  const largest = named.sort(bySize).slice(0, most);
  const rest = named.slice(most).reduce((all, [, value]) => all + value, 0);
  return {
    ...{ total, embedding, position, bias },
    components: [...byComponent(layout, sum)].sort(bySize),
    directions: largest,
    other_directions: rest,
  };
}

const bySize = ([, a]: [string, number], [, b]: [string, number]) => Math.abs(b) - Math.abs(a);

/** Scores and patterns that a pass leaves on the host at most: 64 MB. */
const MOST_READ = 2 ** 24;

/** Attention, and from which tokens it carries something; of each layer. */
async function heads(
  { running }: TakenApart,
  { clean }: TokenPair,
  masks: Float32Array | null,
  unmasked: UnmaskedPrompt,
  { signal, onProgress }: LongCall,
): Promise<Pick<Required<PromptCard>, 'attention' | 'reach'>> {
  const { architecture, layout } = running;
  const { nLayers } = architecture;
  const { sums } = unmasked;
  const found: HeadPattern[] = [];
  const reach: LayerReach[] = [];
  const placesOf = (layer: number) => [
    ...ScoreSum.places(layer, architecture).filter(({ place }) => place !== 'scores'),
    ...(sums ? placesOfHead(layer) : []),
  ];
  // A pass reads as many layers as leave room: for short prompts all of them.
  const atOnce = Math.max(1, Math.floor(MOST_READ / (architecture.nHeads * clean.length ** 2)));
  let values = unmasked.values;
  for (let layer = 0; layer < nLayers; layer++) {
    await heed(signal);
    onProgress?.({ stage: 'attention', done: layer, total: nLayers });
    if (!values || (layer > 0 && layer % atOnce === 0)) {
      const count = Math.min(atOnce, nLayers - layer);
      const layers = Array.from({ length: count }, (_, at) => layer + at);
      const places = distinct(layers.flatMap(placesOf));
      values = await placeValues(running, [clean], places, { positions: 'all', ends: 'all', signal });
      if (count === nLayers) unmasked.values = values;
    }
    if (sums) {
      const readers = await valueReaders(running, layer);
      reach.push(layerReach(layer, readers, architecture, values, sums, masks && { layout, masks }));
    }
    for (const sum of await ScoreSum.onEngine(running, layer, values))
      found.push(patternsOf(sum, values, clean, masks?.subarray(layout.of(sum.component).start) ?? null));
  }
  onProgress?.({ stage: 'attention', done: nLayers, total: nLayers });
  return { attention: found, reach: sums && reach };
}

/** @param masks from the head's first one on; null: there is no circuit */
function patternsOf(
  sum: ScoreSum,
  values: PlaceValues,
  clean: Int32Array,
  masks: Float32Array | null,
): HeadPattern {
  const { component } = sum;
  const kept = new Map<number, number>();
  for (let k = 0; masks && k < component.rank; k++) if (masks[k] !== 0) kept.set(k, masks[k]!);
  const under = (query: number, weights: ReadonlyMap<number, number>) =>
    rounded(softmax(sum.weighted(values, 0, query, weights)));
  return {
    head: component.name.replace('.qk', ''),
    full: Array.from(clean, (_, query) => rounded(patternOf(values, component, query))),
    kept: kept.size === 0 ? null : Array.from(clean, (_, query) => under(query, kept)),
    alone: [...kept.keys()].map((index) => [
      directionName({ component, index }),
      under(clean.length - 1, new Map([[index, 1]])),
    ]),
  };
}

/** A place that two things read is read once. */
function distinct(places: readonly PlaceInModel[]): PlaceInModel[] {
  return [...new Map(places.map((place) => [`${place.layer} ${place.place}`, place])).values()];
}

/** What a head's token gives to itself and those before it, of a pass over one prompt. */
function patternOf(values: PlaceValues, { layer, head }: Component, query: number): Float32Array {
  const { data, shape } = values.of({ layer, place: 'pattern' });
  const [, , queries, keys] = shape as [number, number, number, number];
  const from = (head! * queries + query) * keys;
  return data.subarray(from, from + query + 1);
}

function rounded(shares: Float64Array | Float32Array): number[] {
  return Array.from(shares, (share) => Math.round(share * 1e4) / 1e4);
}

/** The likeliest tokens of either. */
function likeliest(
  p: Float64Array,
  q: Float64Array | null,
  count: number,
): { id: number; full: number; circuit: number | null }[] {
  const top = (log: Float64Array) =>
    Array.from(log.keys())
      .sort((a, b) => log[b]! - log[a]!)
      .slice(0, count);
  const best = (id: number) => Math.max(p[id]!, q?.[id] ?? Number.NEGATIVE_INFINITY);
  return [...new Set([...top(p), ...(q ? top(q) : [])])]
    .sort((a, b) => best(b) - best(a))
    .slice(0, count)
    .map((id) => ({ id, full: Math.exp(p[id]!), circuit: q && Math.exp(q[id]!) }));
}

function divergence(p: Float64Array, q: Float64Array): number {
  return p.reduce((sum, log, id) => sum + Math.exp(log) * (log - q[id]!), 0);
}
