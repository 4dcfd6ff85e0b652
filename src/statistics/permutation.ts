/** A permutation test of a group against the rest, matched by stratum: a head is compared with heads of its own layer. */
import { Random } from '../random.js';
import { type Alternative, oneOrBothSides } from './alternative.js';

export interface PermutationSettings {
  alternative?: Alternative;
  /** Draws; where there are no more arrangements than that, all of them are counted instead. */
  permutations: number;
  seed: number;
}

export interface PermutationResult {
  /** Mean over the group's members of value − mean of the non-members of the same stratum. */
  difference: number;
  /** That in units of the standard deviation within strata and groups; null where nothing varies there. */
  effect: number | null;
  p: number;
  /** True if all arrangements were counted. */
  exact: boolean;
  /** Members whose stratum has no non-member, or the other way round, tell nothing and are left out. */
  members: number;
}

/** A stratum: its values, of which `size` belong to the group, those first. */
interface Stratum {
  values: number[];
  size: number;
}

/**
 * Are a group's values larger than others of the same stratum? Null hypothesis: within a stratum, which values belong
 * to the group is chance. Of drawn arrangements, p = (1 + number at least as extreme) / (1 + draws): never 0.
 * @param group true for members
 * @param strata stratum of each value, e.g. its layer
 */
export function groupAgainstRest(
  values: ArrayLike<number>,
  group: ArrayLike<boolean>,
  strata: ArrayLike<number | string>,
  { alternative = 'two-sided', permutations, seed }: PermutationSettings,
): PermutationResult {
  const compared = stratify(values, group, strata).filter(
    ({ values, size }) => size > 0 && size < values.length,
  );
  const members = compared.reduce((sum, { size }) => sum + size, 0);
  if (members === 0) return { difference: 0, effect: null, p: 1, exact: true, members };
  // Given a stratum's total, its part of the difference grows with the sum of its members: only that has to be counted.
  const weight = compared.map(({ values, size }) => values.length / (values.length - size));
  const offset = compared.reduce(
    (sum, { values, size }) => sum + (size * total(values)) / (values.length - size),
    0,
  );
  const sums = compared.map(({ values, size }) => total(values.slice(0, size)));
  const statistic = (sums: readonly number[]) =>
    (sums.reduce((sum, value, i) => sum + weight[i]! * value, 0) - offset) / members;
  const difference = statistic(sums);
  const exact = arrangementsOf(compared) <= permutations;
  const drawn = exact
    ? allSums(compared)
    : drawnSums(compared, permutations, new Random(seed).fork('permutation'));
  // Rounding makes equal sums differ: what is as extreme but for that counts.
  const slack = 1e-12 * compared.reduce((sum, { values }) => sum + total(values.map(Math.abs)), 0);
  let [greater, less, n] = exact ? [0, 0, 0] : [1, 1, 1];
  for (const each of drawn) {
    const other = statistic(each);
    greater += Number(other >= difference - slack);
    less += Number(other <= difference + slack);
    n++;
  }
  const p = oneOrBothSides(greater / n, less / n, alternative);
  const spread = deviationWithin(compared);
  return { difference, effect: spread > 0 ? difference / spread : null, p, exact, members };
}

function stratify(
  values: ArrayLike<number>,
  group: ArrayLike<boolean>,
  strata: ArrayLike<number | string>,
): Stratum[] {
  const found = new Map<number | string, { members: number[]; others: number[] }>();
  for (let i = 0; i < values.length; i++) {
    const stratum = found.get(strata[i]!) ?? { members: [], others: [] };
    found.set(strata[i]!, stratum);
    (group[i] ? stratum.members : stratum.others).push(values[i]!);
  }
  return [...found.values()].map(({ members, others }) => ({
    values: [...members, ...others],
    size: members.length,
  }));
}

function arrangementsOf(strata: readonly Stratum[]): number {
  let count = 1;
  for (const { values, size } of strata)
    for (let i = 0; i < size; i++) count *= (values.length - i) / (i + 1);
  return Math.round(count);
}

/** Sums of the members, stratum by stratum, of every arrangement. */
function* allSums([first, ...rest]: readonly Stratum[]): Generator<number[]> {
  if (!first) {
    yield [];
    return;
  }
  for (const sum of subsetSums(first.values, first.size))
    for (const others of allSums(rest)) yield [sum, ...others];
}

function* subsetSums(values: readonly number[], size: number, from = 0): Generator<number> {
  if (size === 0) {
    yield 0;
    return;
  }
  for (let i = from; i + size <= values.length; i++)
    for (const rest of subsetSums(values, size - 1, i + 1)) yield values[i]! + rest;
}

function* drawnSums(strata: readonly Stratum[], draws: number, random: Random): Generator<number[]> {
  for (let draw = 0; draw < draws; draw++)
    yield strata.map(({ values, size }) => total(random.sample(values, size)));
}

function deviationWithin(strata: readonly Stratum[]): number {
  const parts = strata.flatMap(({ values, size }) => [values.slice(0, size), values.slice(size)]);
  const squares = parts.map((part) => {
    const mean = total(part) / part.length;
    return part.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  });
  const freedom = parts.reduce((sum, part) => sum + part.length - 1, 0);
  return freedom > 0 ? Math.sqrt(total(squares) / freedom) : 0;
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
