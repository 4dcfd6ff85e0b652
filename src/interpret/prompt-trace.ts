/** One prompt on one screen: what the logit difference after it is made of, and why a head looks where it does. */
import { InputError } from '../errors.js';
import { type Component, isHead, listComponents } from '../models/components.js';
import { headWrites, placesOfHead } from './head-sum.js';
import { type Asked, byComponent, type LogitSum, logitSums } from './logit-sum.js';
import { placeValues } from './place-values.js';
import { ScoreSum } from './score-sum.js';
import type { TakenApart } from './taken-apart.js';

/** A component or direction, and what it adds. */
export interface Part {
  name: string;
  value: number;
}

export interface LogitParts {
  sum: LogitSum;
  /** All components that write, the largest first. */
  components: Part[];
  /** All directions that write, likewise. */
  directions: Part[];
  /** What one more of the coefficient of each of a component's directions would add. */
  perUnit(component: Component): Float64Array;
}

/** The exact sum behind the logit difference after one prompt. */
export async function logitParts(apart: TakenApart, asked: Asked): Promise<LogitParts> {
  const { layout, sums } = await logitSums(apart, [asked]);
  const sum = sums[0]!;
  const blockOf = (values: Float64Array, component: Component) => {
    const { start, length } = layout.of(component);
    return values.subarray(start, start + length);
  };
  return {
    sum,
    components: largestFirst(byComponent(layout, sum)),
    directions: largestFirst(
      layout.components.flatMap((component) =>
        Array.from(blockOf(sum.directions, component), (value, index): [string, number] => [
          `${component.name}.${index}`,
          value,
        ]),
      ),
    ),
    perUnit: (component) => blockOf(sum.perUnit, component),
  };
}

export interface HeadTrace {
  /** `L9H6`. */
  head: string;
  /** Token that looks. */
  query: number;
  /** One for each token that it sees. */
  keys: {
    /** Share of the attention. */
    weight: number;
    score: number;
    /** What comes from there to the logit difference; null where the query is not the last token. */
    adds: number | null;
  }[];
  /** What the output's bias adds to it; null likewise. */
  bias: number | null;
  /** Token whose score is taken apart. */
  key: number;
  /** What each QK direction adds to it, the largest first. */
  score: Part[];
}

/**
 * @param parts of the same prompt
 * @param which.head `L9H6`; null: the one that adds most to the logit difference
 * @param which.query index of a token, from the end where negative
 * @param which.key likewise; null: the one that is looked at most
 * @throws InputError if there is no such head or token
 */
export async function headTrace(
  { model, decomposition, running }: TakenApart,
  { clean }: Asked,
  parts: LogitParts,
  which: { head: string | null; query: number; key: number | null },
): Promise<HeadTrace> {
  const { architecture, qkSplit } = model;
  const head = which.head ?? parts.components.find(({ name }) => name.endsWith('.ov'))!.name.slice(0, -3);
  const heads = listComponents(architecture, undefined, qkSplit).filter(isHead);
  const of = (kind: string) => heads.find(({ name }) => name === `${head}.${kind}`);
  const [qk, ov] = [of('qk'), of('ov')];
  if (!qk || !ov)
    throw new InputError(
      `--head ${head}: there is none; the model has ${architecture.nLayers} layers of ${architecture.nHeads} heads, from L0H0 on`,
    );
  const query = tokenAt('query', which.query, clean.length);
  const { layer } = qk;
  const byPlace = new Map(
    [...ScoreSum.places(layer, architecture), ...placesOfHead(layer)].map((place) => [place.place, place]),
  );
  const values = await placeValues(running, [clean], [...byPlace.values()], {
    positions: 'all',
    ends: 'all',
  });
  const weights = await model.layer(layer);
  const directions = await decomposition.layer(layer, [qk.name, ov.name]);
  const sum = ScoreSum.from(qk, directions.get(qk.name) ?? null, weights, architecture);
  const { scores, pattern, contributions } = sum.of(values, 0, query);
  const key =
    which.key === null ? pattern.indexOf(Math.max(...pattern)) : tokenAt('key', which.key, query + 1);
  const { byKey, bias } = headWrites(directions.get(ov.name)!, weights, architecture, values, 0);
  const perUnit = parts.perUnit(ov);
  const adds = (written: Float64Array) => perUnit.reduce((sum, unit, k) => sum + unit * written[k]!, 0);
  const isLast = query === clean.length - 1;
  return {
    ...{ head, query, key, bias: isLast ? adds(bias) : null },
    keys: Array.from(scores, (score, at) => ({
      weight: pattern[at]!,
      score,
      adds: isLast ? adds(byKey.subarray(at * ov.rank, (at + 1) * ov.rank)) : null,
    })),
    score: largestFirst(
      Array.from({ length: qk.rank }, (_, index): [string, number] => [
        `${qk.name}.${index}`,
        contributions[key * qk.rank + index]!,
      ]),
    ),
  };
}

function tokenAt(flag: string, index: number, length: number): number {
  const token = index < 0 ? length + index : index;
  if (token >= 0 && token < length) return token;
  throw new InputError(`--${flag} ${index}: there are the tokens 0 to ${length - 1}`);
}

function largestFirst(parts: Iterable<[string, number]>): Part[] {
  return [...parts]
    .map(([name, value]) => ({ name, value }))
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
}
