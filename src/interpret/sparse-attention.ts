/**
 * Which QK directions a head needs where it attends: the fewest that rebuild its score (sparse attention decomposition,
 * G. Franco and M. Crovella, arXiv 2410.00340; docs/maths.md, "Sparse attention").
 */
import { batchesByLength } from '../forward/passes.js';
import { heed } from '../heed.js';
import type { LongCall } from '../progress.js';
import { placeValues } from './place-values.js';
import { ScoreSum } from './score-sum.js';
import type { TakenApart } from './taken-apart.js';

/** A query attends to a key that gets more than this of its attention. */
const ATTENDS = 0.5;
/** Of a score, what is lost in rounding. */
const ROUNDING = 1e-5;
/** Most positions in one pass: scores and patterns of all layers are kept. */
const ONCE = 512;

export interface SparseAttention {
  /** Share of the prompts on which a direction is among the fewest that rebuild some score of its head, [directions]. */
  shares: Float64Array;
  /** Mean over prompts of the largest part that it has in such a score, to tell equal shares apart, [directions]. */
  parts: Float64Array;
  /** Pairs of a query and the key that it attends to, over all heads and prompts. */
  attended: number;
}

/**
 * @param apart with QK directions alone, as masks of QK alone have them: the figures are in that order
 * @param prompts token ids
 * @throws InterruptedError if the signal fires
 */
export async function sparseAttention(
  { model, decomposition, running }: Pick<TakenApart, 'model' | 'decomposition' | 'running'>,
  prompts: readonly Int32Array[],
  { onProgress, signal }: LongCall = {},
): Promise<SparseAttention> {
  const { architecture } = model;
  const { layout } = running;
  const heads: { sum: ScoreSum; start: number }[] = [];
  for (let layer = 0; layer < architecture.nLayers; layer++) {
    const directions = await decomposition.layer(layer);
    const weights = await model.layer(layer);
    for (const component of layout.components)
      if (component.layer === layer) {
        const own = running.planes ? null : directions.get(component.name)!;
        const sum = ScoreSum.from(component, own, weights, architecture);
        heads.push({ sum, start: layout.of(component).start });
      }
  }
  const places = Array.from({ length: architecture.nLayers }, (_, layer) =>
    ScoreSum.places(layer, architecture),
  ).flat();
  const shares = new Float64Array(layout.size);
  const parts = new Float64Array(layout.size);
  let [attended, done] = [0, 0];
  const lengths = prompts.map(({ length }) => length);
  for (const batch of batchesByLength(lengths, ONCE)) {
    await heed(signal);
    const members = batch.map((index) => prompts[index]!);
    const values = await placeValues(running, members, places, { positions: 'all', ends: 'all', signal });
    for (const [prompt, { length }] of members.entries())
      for (const { sum, start } of heads) {
        const largest = new Map<number, number>();
        // The first token sees but itself.
        for (let query = 1; query < length; query++) {
          const key = sum.attended(values, prompt, query, ATTENDS);
          if (key === null) continue;
          const { scores, contributions } = sum.of(values, prompt, query);
          const own = contributions.subarray(key * sum.rank, (key + 1) * sum.rank);
          for (const k of fewest(own, scores[key]!))
            largest.set(k, Math.max(largest.get(k) ?? 0, own[k]! / scores[key]!));
          attended++;
        }
        for (const [k, part] of largest) {
          shares[start + k]! += 1 / prompts.length;
          parts[start + k]! += part / prompts.length;
        }
      }
    done += members.length;
    onProgress?.({ stage: 'sparse attention', done, total: prompts.length });
  }
  return { shares, parts, attended };
}

/** The fewest parts that add up to a score or more: the largest first; none for a score that is not above 0. */
export function fewest(parts: Float64Array, score: number): number[] {
  const order = [...parts.keys()].sort((a, b) => parts[b]! - parts[a]! || a - b);
  let sum = 0;
  const count = order.findIndex((k) => {
    sum += parts[k]!;
    return sum >= score * (1 - ROUNDING);
  });
  return score > 0 ? order.slice(0, count + 1) : [];
}
