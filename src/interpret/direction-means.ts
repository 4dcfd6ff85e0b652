/** What directions do on prompts: mean coefficients by group, shares of variance, what they add to logit differences. */
import type { TokenPair } from '../formats/token-pairs.js';
import type { LongCall } from '../progress.js';
import { standardDeviation } from '../statistics/summary.js';
import { type Direction, directionName, readCoefficients } from './coefficients.js';
import { logitSums } from './logit-sum.js';
import { type Mean, meanOf } from './mean-of.js';
import { type TakenApart, writes } from './taken-apart.js';

export interface DirectionMeans {
  /** Of σ_k y_k at the last token, by group of prompts. */
  groups: Map<string, Mean>;
  /** Share of the variance of what its component writes there, over prompts; null where nothing varies. */
  varianceShare: number | null;
  /** What it adds to the logit difference; null where it does not write to the stream, or there is none. */
  adds: Mean | null;
}

/**
 * @param groupOf names the group of a pair
 * @param level coverage of intervals
 */
export async function directionMeans(
  apart: TakenApart,
  pairs: readonly TokenPair[],
  directions: readonly Direction[],
  groupOf: (pair: TokenPair) => string,
  { level = 0.95, ...call }: { level?: number } & LongCall = {},
): Promise<DirectionMeans[]> {
  const prompts = pairs.map(({ clean }) => clean);
  const last = prompts.map(({ length }) => [length - 1]);
  // A component's variance is that of all its directions: their v_k are orthonormal.
  const components = new Map(directions.map(({ component }) => [component.name, component]));
  const every = [...components.values()].flatMap((component) =>
    Array.from({ length: component.rank }, (_, index): Direction => ({ component, index })),
  );
  const read = await readCoefficients(apart.running, prompts, every, last, call);
  const columns = new Map(every.map((direction, at) => [directionName(direction), at]));
  const valuesOf = (at: number) => read.map((row) => row[at]!);
  const variances = every.map((_, at) => (standardDeviation(valuesOf(at)) ?? 0) ** 2);
  const totals = new Map<string, number>();
  every.forEach(({ component: { name } }, at) => {
    totals.set(name, (totals.get(name) ?? 0) + variances[at]!);
  });
  const contrasted = pairs.filter(({ answers, distractors }) => answers.length > 0 && distractors.length > 0);
  const writing = directions.some(({ component }) => writes(component.kind));
  const added = writing && contrasted.length > 0 ? await logitSums(apart, contrasted, call) : null;
  const names = pairs.map(groupOf);
  return directions.map((direction) => {
    const { component, index } = direction;
    const at = columns.get(directionName(direction))!;
    const values = valuesOf(at);
    const groups = new Map<string, Mean>();
    for (const name of [...new Set(names)].sort())
      groups.set(
        name,
        meanOf(
          values.filter((_, p) => names[p] === name),
          level,
        ),
      );
    const total = totals.get(component.name)!;
    return {
      groups,
      varianceShare: total > 0 ? variances[at]! / total : null,
      adds:
        added && writes(component.kind)
          ? meanOf(
              added.sums.map(({ directions }) => directions[added.layout.of(component).start + index]!),
              level,
            )
          : null,
    };
  });
}

/** At most so many answers make groups of their own. */
const MOST_ANSWERS = 8;

/** Groups by answer where there are few of them; else by the pairs' own groups, if they have any. */
export function groupsOf(
  pairs: readonly TokenPair[],
  spell: (id: number) => string,
): (pair: TokenPair) => string {
  const answers = new Set(pairs.map(({ answers }) => answers[0] ?? -1));
  if (answers.size <= MOST_ANSWERS && !answers.has(-1)) return ({ answers }) => spell(answers[0]!).trim();
  return ({ group }) => group ?? 'all';
}
