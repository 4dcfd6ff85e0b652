/** How far heads, and single QK directions, look where names such as "induction head" say (docs/reading.md, "Names of heads"). */

import { batchesByLength } from '../forward/passes.js';
import type { PlaceInModel } from '../forward/places.js';
import { heed } from '../heed.js';
import type { LongCall } from '../progress.js';
import type { Direction } from './coefficients.js';
import { type GenericSequences, keyOf, lookingTokens, PATTERNS, type Pattern } from './generic-sequences.js';
import { placeValues } from './place-values.js';
import { ScoreSum } from './score-sum.js';
import { softmax, withoutPart } from './softmax.js';
import type { TakenApart } from './taken-apart.js';

/** Mean share of the attention that goes to the key of each pattern. */
export type PatternShares = Record<Pattern, number>;

export interface HeadAttention {
  layer: number;
  head: number;
  shares: PatternShares;
  /** The offsets that are looked at most, and their mean share; the largest first. */
  offsets: { offset: number; share: number }[];
}

export interface DirectionAttention {
  direction: Direction;
  /** Of the head with this direction alone, and without it. */
  alone: PatternShares;
  without: PatternShares;
}

/** Offsets that are named. */
const OFFSETS = 3;

/** Most positions in one pass: of all layers at once patterns are kept. */
const ONCE = 512;

/**
 * @param directions of QK, whose part in their heads' attention is wanted; loaded
 * @returns all heads, layer after layer, and the directions in their order
 */
export async function headAttention(
  { running }: TakenApart,
  generic: GenericSequences,
  directions: readonly Direction[],
  { onProgress, signal }: LongCall = {},
): Promise<{ heads: HeadAttention[]; directions: DirectionAttention[] }> {
  const { architecture } = running;
  const { nLayers, nHeads } = architecture;
  const { sequences } = generic;
  const queries = lookingTokens(generic);
  const times = 1 / (queries.length * sequences.length);
  const longest = sequences[0]!.length;
  const heads = Array.from({ length: nLayers * nHeads }, (_, at) => ({
    layer: Math.floor(at / nHeads),
    head: at % nHeads,
    shares: none(),
    byOffset: new Float64Array(longest),
  }));
  const found = directions.map(
    (direction): DirectionAttention => ({ direction, alone: none(), without: none() }),
  );
  const layers = new Set(directions.map(({ component }) => component.layer));
  const places = new Map<string, PlaceInModel>();
  const add = (place: PlaceInModel) => places.set(`${place.layer} ${place.place}`, place);
  for (let layer = 0; layer < nLayers; layer++) add({ layer, place: 'pattern' });
  for (const layer of layers) ScoreSum.places(layer, architecture).forEach(add);
  let done = 0;
  for (const batch of batchesByLength(
    sequences.map(({ length }) => length),
    ONCE,
  )) {
    await heed(signal);
    const members = batch.map((index) => sequences[index]!);
    const values = await placeValues(running, members, [...places.values()], {
      positions: 'all',
      ends: 'all',
      signal,
    });
    for (const { layer, head, shares, byOffset } of heads) {
      const { data } = values.of({ layer, place: 'pattern' });
      for (let p = 0; p < members.length; p++)
        for (const query of queries) {
          const from = ((head * members.length + p) * longest + query) * longest;
          const row = data.subarray(from, from + query + 1);
          addShares(shares, row, query, generic, times);
          row.forEach((share, key) => {
            byOffset[query - key]! += share * times;
          });
        }
    }
    for (const layer of layers)
      for (const sum of await ScoreSum.onEngine(running, layer, values)) {
        const own = found.filter(({ direction }) => direction.component.name === sum.component.name);
        const among = own.map(({ direction }) => direction.index);
        for (let p = 0; p < members.length && own.length > 0; p++)
          for (const query of queries) {
            const { scores, contributions } = sum.of(values, p, query, among);
            for (const { direction, alone, without } of own) {
              const part = scores.map((_, key) => contributions[key * sum.rank + direction.index]!);
              addShares(alone, softmax(part), query, generic, times);
              const rest = scores.map((score, key) => withoutPart(score, part[key]!, architecture.scoreCap));
              addShares(without, softmax(rest), query, generic, times);
            }
          }
      }
    done += batch.length;
    onProgress?.({ stage: 'heads', done, total: sequences.length });
  }
  return {
    heads: heads.map(({ byOffset, ...head }) => ({
      ...head,
      offsets: [...byOffset.keys()]
        .sort((a, b) => byOffset[b]! - byOffset[a]!)
        .slice(0, OFFSETS)
        .map((offset) => ({ offset, share: byOffset[offset]! })),
    })),
    directions: found,
  };
}

function none(): PatternShares {
  return { previous: 0, duplicate: 0, induction: 0, first: 0 };
}

function addShares(
  shares: PatternShares,
  row: ArrayLike<number>,
  query: number,
  generic: GenericSequences,
  times: number,
): void {
  for (const pattern of PATTERNS) shares[pattern] += times * row[keyOf(pattern, query, generic)]!;
}
