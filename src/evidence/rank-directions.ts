/** Methods that score directions, each by what it may ask of the model on the same prompts. */

import type { PromptScores } from '../evaluate/prompt-scores.js';
import type { MaskLayout } from '../forward/layout.js';
import { heed } from '../heed.js';
import type { Objective } from '../masks/objective.js';
import type { LongCall } from '../progress.js';
import { Random } from '../random.js';
import type { LossKind } from '../settings/choices.js';
import { mean } from '../statistics/summary.js';

/** Prompts that directions are ranked on. */
export interface RankedOn {
  readonly length: number;
  objective(indices: readonly number[], masks: Float32Array, loss: LossKind): Promise<Objective>;
  kl(masks: Float32Array, call?: LongCall): Promise<number>;
  score(masks: Float32Array, call?: LongCall): Promise<PromptScores>;
  conductance(loss: LossKind, points: number, call?: LongCall): Promise<Float32Array>;
  differences(call?: LongCall): Promise<Float32Array>;
}

/** Places of the directions of each head, and of each MLP. */
export function headsOf(layout: MaskLayout): number[][] {
  const groups = new Map<string, number[]>();
  for (const component of layout.components) {
    const { start, length } = layout.of(component);
    const key = `${component.layer} ${component.head ?? 'mlp'}`;
    const places = Array.from({ length }, (_, i) => start + i);
    groups.set(key, [...(groups.get(key) ?? []), ...places]);
  }
  return [...groups.values()];
}

/**
 * Gradient of the score by each mask, times what the mask changes: with all directions kept a mask of 1 becomes 0, so
 * that its gradient is, to first order, what the score loses by replacing the direction (attribution patching, Nanda 2023;
 * Syed et al. 2023). For a KL, which has no slope there, with nothing kept.
 * @param prompts which of them; all if left out
 * @returns the larger, the more the direction adds to the score, [directions]
 */
export async function attribution(
  on: Pick<RankedOn, 'length' | 'objective'>,
  directions: number,
  score: LossKind,
  prompts?: readonly number[],
): Promise<Float32Array> {
  return slopes(on, new Float32Array(directions).fill(score === 'kl' ? 0 : 1), score, prompts);
}

/**
 * The same along the way from nothing kept to everything kept (integrated gradients, Sundararajan et al. 2017), by the
 * midpoint rule: scores add up to the score that everything kept has over nothing kept.
 */
export async function integrated(
  on: RankedOn,
  directions: number,
  score: LossKind,
  points: number,
  { signal }: LongCall = {},
): Promise<Float32Array> {
  const sums = new Float32Array(directions);
  for (let point = 0; point < points; point++) {
    await heed(signal);
    const at = await slopes(on, new Float32Array(directions).fill((point + 0.5) / points), score);
    for (let i = 0; i < directions; i++) sums[i]! += at[i]! / points;
  }
  return sums;
}

/**
 * What flows through each direction on the same way (conductance): its coefficient moves with its own mask and with what
 * other masks change in all that it reads. Scores of the directions through which everything passes add up to the same.
 */
export async function conductance(
  on: RankedOn,
  score: LossKind,
  points: number,
  call?: LongCall,
): Promise<Float32Array> {
  return (await on.conductance(score, points, call)).map((change) => -change);
}

/** Slopes of the score, which is minus the loss. */
async function slopes(
  on: Pick<RankedOn, 'length' | 'objective'>,
  masks: Float32Array,
  score: LossKind,
  prompts: readonly number[] = Array.from({ length: on.length }, (_, index) => index),
): Promise<Float32Array> {
  return (await on.objective(prompts, masks, score)).gradient.map((slope) => -slope);
}

/** What attribution can be of, on these pairs. */
export function scoreOf(
  pairs: readonly { answers: ArrayLike<number>; distractors: ArrayLike<number> }[],
): LossKind {
  if (pairs.every(({ answers, distractors }) => answers.length > 0 && distractors.length > 0))
    return 'logit_diff';
  return pairs.every(({ answers }) => answers.length > 0) ? 'cross_entropy' : 'kl';
}

/**
 * What the model loses of its score when a group of directions is replaced, measured (activation patching). Without
 * answers, the KL that this costs.
 * @returns one a group
 */
export async function patching(
  on: RankedOn,
  directions: number,
  groups: readonly (readonly number[])[],
  score: LossKind,
  { signal, onProgress }: LongCall = {},
): Promise<Float64Array> {
  const measure = async (masks: Float32Array) => {
    if (score !== 'logit_diff') return -(await on.kl(masks, { signal }));
    return mean((await on.score(masks, { signal })).logit_diff)!;
  };
  const masks = new Float32Array(directions).fill(1);
  const whole = await measure(masks);
  const losses = new Float64Array(groups.length);
  for (const [at, group] of groups.entries()) {
    await heed(signal);
    onProgress?.({ stage: 'patching', done: at, total: groups.length });
    for (const place of group) masks[place] = 0;
    losses[at] = whole - (await measure(masks));
    for (const place of group) masks[place] = 1;
  }
  onProgress?.({ stage: 'patching', done: groups.length, total: groups.length });
  return losses;
}

/**
 * Greedy pruning: of what is left, the directions whose loss costs least KL go first, a share of them at a time, each
 * measured alone.
 * @param share of what is left that goes in a round
 * @returns the larger, the later the direction went, [directions]
 */
export async function greedy(
  on: RankedOn,
  directions: number,
  share: number,
  { signal, onProgress }: LongCall = {},
): Promise<Float32Array> {
  const masks = new Float32Array(directions).fill(1);
  const scores = new Float32Array(directions);
  let left = Array.from({ length: directions }, (_, at) => at);
  let rank = 0;
  while (left.length > 0) {
    const costs = new Map<number, number>();
    for (const at of left) {
      await heed(signal);
      masks[at] = 0;
      costs.set(at, await on.kl(masks, { signal }));
      masks[at] = 1;
    }
    const order = [...left].sort((a, b) => costs.get(a)! - costs.get(b)! || a - b);
    for (const at of order.slice(0, Math.max(1, Math.floor(share * left.length)))) {
      masks[at] = 0;
      scores[at] = ++rank;
    }
    left = left.filter((at) => masks[at] === 1);
    onProgress?.({ stage: 'greedy', done: rank, total: directions });
  }
  return scores;
}

/** A random score for each direction. */
export function randomScores(directions: number, seed: number, draw: number): Float32Array {
  const random = new Random(seed).fork(`random ranking ${draw}`);
  return Float32Array.from({ length: directions }, () => random.uniform());
}

/** Each group's sum of its directions' scores, [groups]. */
export function sumsOver(groups: readonly (readonly number[])[], scores: Float32Array): Float64Array {
  return Float64Array.from(groups, (group) => group.reduce((sum, at) => sum + scores[at]!, 0));
}
