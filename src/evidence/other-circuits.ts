/** Lines of the sheet that hold a circuit against others: another task's, one on shuffled weights, those of a sweep. */
import { atLeast } from '../statistics/binomial.js';
import { type BootstrapSettings, bootstrap, type Interval } from '../statistics/bootstrap.js';
import { sharedAtLeast } from '../statistics/hypergeometric.js';
import { holm } from '../statistics/multiple-testing.js';
import { mean } from '../statistics/summary.js';
import { lineOf, missing, nats, percentOf } from './lines.js';
import type { Line } from './verdict-file.js';

export interface OtherTask {
  /** Of the other run: its prompts, and its path from this run's folder. */
  source: string;
  file: string;
  /** KL of each prompt, of this circuit and of the other one. */
  own: ArrayLike<number>;
  other: ArrayLike<number>;
  /** Directions of this circuit, of the other one, and of both. */
  kept: number;
  other_kept: number;
  shared: number;
  directions: number;
}

/** Share of prompts on which the other circuit is further from the model, and its p-value before correction. */
export function otherTaskTest({ own, other }: Pick<OtherTask, 'own' | 'other'>): {
  further: number;
  of: number;
  p: number;
} {
  let [further, of] = [0, 0];
  for (let i = 0; i < own.length; i++) {
    if (own[i] === other[i]) continue;
    of++;
    further += Number(other[i]! > own[i]!);
  }
  return { further, of, p: atLeast(further, of, 0.5) };
}

export function otherTaskLine(
  found: OtherTask,
  { alpha, corrected, tests }: { alpha: number; corrected: number; tests: number },
): Line {
  const { further, of, p } = otherTaskTest(found);
  const [own, other] = [mean(found.own)!, mean(found.other)!];
  const { shared, kept, other_kept, directions } = found;
  const shown = corrected <= alpha;
  return lineOf('other_task', {
    outcome: shown ? 'for' : 'against',
    null_hypothesis:
      'On a prompt of this task, the circuit of the other task is as likely nearer to the model as it is further away.',
    statistic: { name: 'prompts on which the other one is further', value: further },
    n: { value: of, of: 'prompts' },
    p,
    correction: { method: 'holm', tests, p: corrected },
    claim: shown
      ? `On these prompts the circuit of ${found.source} has KL ${nats(other)}, this one ${nats(own)}: it is of this task.`
      : `The circuit of ${found.source} does as well on these prompts (KL ${nats(other)}, this one ${nats(own)}).`,
    limit: `One other task was tried; ${shared} ${shared === 1 ? 'direction is' : 'directions are'} in both circuits, by chance ${((kept * other_kept) / directions).toFixed(1)} would be.`,
    file: found.file,
    numbers: { kl: own, other_kl: other, shared, kept, other_kept, directions },
  });
}

export interface ShuffledWeights {
  /** KL of each prompt, nats: the circuit, nothing kept; the same on shuffled weights, cut at the circuit's size. */
  circuit: Float64Array;
  nothing: Float64Array;
  shuffled: Float64Array;
  shuffled_nothing: Float64Array;
  /** What training itself kept there. */
  kept: number;
}

/** Share of what replacing everything costs that a circuit wins back: 1 − mean KL / mean KL of nothing kept. */
function recovered(kl: Float64Array, nothing: Float64Array, at: ArrayLike<number>): number {
  let [own, all] = [0, 0];
  for (let i = 0; i < at.length; i++) {
    own += kl[at[i]!]!;
    all += nothing[at[i]!]!;
  }
  return 1 - own / all;
}

export function shuffledLine(found: ShuffledWeights, settings: BootstrapSettings): Line {
  const all = Array.from(found.circuit, (_, i) => i);
  const own = (at: ArrayLike<number>) => recovered(found.circuit, found.nothing, at);
  const other = (at: ArrayLike<number>) => recovered(found.shuffled, found.shuffled_nothing, at);
  const interval: Interval = bootstrap(all.length, (at) => own(at) - other(at), settings).percentile;
  const [here, there] = [own(all), other(all)];
  const above = interval[0] > 0;
  return lineOf('shuffled_weights', {
    outcome: above ? 'for' : interval[1] < 0 ? 'against' : 'open',
    statistic: { name: 'share won back, above shuffled weights', value: here - there },
    n: { value: all.length, of: 'prompts' },
    claim: above
      ? `The circuit wins back ${percentOf(here)} of the KL that replacing everything costs; the same training on the model with its weights shuffled, cut at the same size, ${percentOf(there)}.`
      : `The same training on shuffled weights wins back ${percentOf(there)} of the KL at the same size, the circuit ${percentOf(here)}: the figure may be the method’s.`,
    limit: 'One shuffle was tried; a shuffled model has another KL to win back.',
    numbers: {
      recovered: here,
      shuffled_recovered: there,
      difference: [here - there, ...interval],
      shuffled_kept: found.kept,
      kl_of_nothing: mean(found.nothing),
      shuffled_kl_of_nothing: mean(found.shuffled_nothing),
    },
  });
}

/** A run that looked for the same circuit. */
export interface OtherRun {
  id: string;
  /** Directions that it keeps, and of those the ones that the circuit keeps, too. */
  kept: number;
  shared: number;
}

export function foundAgainLine(
  runs: readonly OtherRun[],
  { kept, directions, alpha, file }: { kept: number; directions: number; alpha: number; file: string },
): Line {
  if (runs.length === 0) return missing('found_again', 'the sweep has no other run of this model and task');
  const ps = runs.map((run) => sharedAtLeast(run.shared, { n: directions, a: kept, b: run.kept }));
  const adjusted = holm(ps);
  const shares = runs.map(({ shared }) => shared / kept);
  const every = adjusted.every((p) => p <= alpha);
  const share = mean(shares)!;
  return lineOf('found_again', {
    outcome: every ? 'for' : 'against',
    null_hypothesis: 'A run’s directions are a random set of their size (of each run).',
    statistic: { name: 'share of the circuit found again, mean', value: share },
    n: { value: runs.length, of: 'other runs' },
    p: Math.max(...ps),
    correction: { method: 'holm', tests: runs.length, p: Math.max(...adjusted) },
    claim: every
      ? `Other runs find ${percentOf(share)} of its directions again (${percentOf(Math.min(...shares))} to ${percentOf(Math.max(...shares))}); by chance it would be ${percentOf(mean(runs.map((run) => run.kept / directions))!)}.`
      : 'Not every other run finds more of its directions again than chance does.',
    limit:
      'Directions that are not found again may have stand-ins that do the same: low overlap alone proves nothing.',
    file,
    numbers: {
      runs: runs.map((run, i) => ({ ...run, share: shares[i], p: ps[i], adjusted: adjusted[i] })),
    },
  });
}
