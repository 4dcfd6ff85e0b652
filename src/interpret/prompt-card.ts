/** All that the page shows of one prompt: next tokens, exact sums and attention, of the full model and of the circuit. */
import * as tf from '@tensorflow/tfjs-core';
import type { TokenPair } from '../formats/token-pairs.js';
import type { PlaceInModel } from '../forward/places.js';
import { type Changes, lastLogits } from '../masks/last-logits.js';
import { type Component, isHead, listComponents } from '../models/components.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import { directionName } from './coefficients.js';
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

export interface PromptCard {
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
  full: LogitParts | null;
  circuit: LogitParts | null;
  /** By layer; null where there is no logit difference, absent from cards of earlier programs. */
  reach?: LayerReach[] | null;
  attention: HeadPattern[];
}

export interface CardOptions extends Pick<LongCall, 'signal'> {
  spell(id: number): string;
  /** Next tokens, and directions of each sum. */
  tokens?: number;
  directions?: number;
  /** What is changed in the circuit's passes besides masks. */
  changes?: Changes | null;
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
  { spell, tokens = 10, directions = 60, changes, signal }: CardOptions,
): Promise<PromptCard> {
  const pair = prepared.pairs[index]!;
  const ones = new Float32Array(apart.running.layout.size).fill(1);
  const { full, masked } = await lastLogits(prepared, [index], masks ?? ones, undefined, {
    signal,
    changes,
  });
  const [p, q] = [logProbabilities(full), masks && logProbabilities(masked)];
  const contrasted = pair.answers.length > 0 && pair.distractors.length > 0;
  const sumsUnder = async (own: Float32Array | null) =>
    contrasted ? sumsOf(apart, prepared, index, own, { signal, changes }) : null;
  const parts = (sums: LogitSums | null, logits: Float32Array) =>
    sums && partsOf(sums, logitDifference(logits, pair), directions);
  const sums = await sumsUnder(null);
  const { attention, reach } = await heads(apart, pair, masks, sums, signal);
  const texts = (ids: Int32Array) => Array.from(ids, spell);
  return {
    id: pair.id,
    group: pair.group ?? null,
    tokens: texts(pair.clean),
    corrupted: pair.corrupted && texts(pair.corrupted),
    answers: texts(pair.answers),
    distractors: texts(pair.distractors),
    next_tokens: likeliest(p, q, tokens).map((next) => ({ ...next, token: spell(next.id) })),
    kl: q && divergence(p, q),
    full: parts(sums, full),
    circuit: masks && parts(await sumsUnder(masks), masked),
    reach,
    attention,
  };
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

/** @param sums of the prompt, unmasked; null where there is no logit difference */
async function heads(
  { model, decomposition, running }: TakenApart,
  { clean }: TokenPair,
  masks: Float32Array | null,
  sums: LogitSums | null,
  signal: AbortSignal | undefined,
): Promise<Pick<Required<PromptCard>, 'attention' | 'reach'>> {
  const { architecture, qkSplit } = model;
  const { layout } = running;
  const found: HeadPattern[] = [];
  const reach: LayerReach[] = [];
  const heads = listComponents(architecture, ['qk'], qkSplit).filter(isHead);
  const ov = listComponents(architecture, ['ov'], qkSplit);
  const placesOf = (layer: number) => [
    ...ScoreSum.places(layer, architecture),
    ...(sums ? placesOfHead(layer) : []),
  ];
  // A pass reads as many layers as leave room: for short prompts all of them.
  const atOnce = Math.max(1, Math.floor(MOST_READ / (2 * architecture.nHeads * clean.length ** 2)));
  const keptOf = (component: Component) => {
    const { start, length } = layout.of(component);
    return masks ? [...Array(length).keys()].filter((k) => masks[start + k]! !== 0) : [];
  };
  let values: PlaceValues | null = null;
  for (let layer = 0; layer < architecture.nLayers; layer++) {
    if (layer % atOnce === 0) {
      const layers = Array.from(
        { length: Math.min(atOnce, architecture.nLayers - layer) },
        (_, at) => layer + at,
      );
      values = await placeValues(running, [clean], distinct(layers.flatMap(placesOf)), {
        positions: 'all',
        ends: 'all',
        signal,
      });
    }
    const own = heads
      .filter((component) => component.layer === layer)
      .map((component) => ({ component, kept: keptOf(component) }));
    const weights = await model.layer(layer);
    // Scores are sums of directions only where some of them are kept.
    const summed = own.filter(({ kept }) => kept.length > 0).map(({ component }) => component.name);
    const carrying = sums ? ov.filter((component) => component.layer === layer).map(({ name }) => name) : [];
    const directions = await decomposition.layer(layer, [...summed, ...carrying]);
    if (sums) {
      const written = carrying.map((name) => directions.get(name)!);
      const circuit = masks && { layout, masks };
      reach.push(layerReach(layer, written, weights, architecture, values!, sums, circuit));
    }
    for (const { component, kept } of own) {
      const head = component.name.replace('.qk', '');
      const full = Array.from(clean, (_, query) => rounded(patternOf(values!, component, query)));
      if (kept.length === 0) {
        found.push({ head, full, kept: null, alone: [] });
        continue;
      }
      const sum = new ScoreSum(component, directions.get(component.name) ?? null, weights, architecture);
      const { start } = layout.of(component);
      const queries = Array.from(clean, (_, query) => sum.of(values!, 0, query).contributions);
      /** Attention from a weighted sum of directions' parts. */
      const from = (contributions: Float64Array, weight: (k: number) => number) => {
        const keys = contributions.length / component.rank;
        const scores = Float64Array.from({ length: keys }, (_, key) =>
          kept.reduce((all, k) => all + weight(k) * contributions[key * component.rank + k]!, 0),
        );
        return rounded(softmax(scores));
      };
      found.push({
        ...{ head, full },
        kept: queries.map((contributions) => from(contributions, (k) => masks![start + k]!)),
        alone: kept.map((index) => [
          directionName({ component, index }),
          from(queries.at(-1)!, (k) => Number(k === index)),
        ]),
      });
    }
  }
  return { attention: found, reach: sums && reach };
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
