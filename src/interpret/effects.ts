/** What an experiment comes to: effects with intervals, of the chosen directions and of their controls. */
import { type BootstrapSettings, bootstrapIntervals, type Interval } from '../statistics/bootstrap.js';
import { mean, standardDeviation } from '../statistics/summary.js';
import type { Measured, SetName, Way } from './experiment.js';
import type { Outcome } from './outcomes.js';

/** A figure with its interval over prompts; null where there is none. */
export interface Estimate {
  value: number | null;
  interval: Interval | null;
}

export interface Effect {
  set: SetName;
  way: Way;
  scale: number;
  /** Control sets that are averaged over; 1 for the chosen one. */
  draws: number;
  /** Change of the logit difference. */
  change: Estimate;
  /** Its standard deviation over draws; null for one. */
  change_sd: number | null;
  /** Share of prompts with a positive logit difference whose difference is negative afterwards. */
  flipped: Estimate;
  /** Share of prompts with another likeliest token. */
  next_token: Estimate;
  /** KL(before ‖ after), nats. */
  kl: Estimate;
  /** Controls: share of draws that change the difference as much as the chosen directions do, or more. */
  as_large: number | null;
}

export interface Effects {
  prompts: number;
  logit_difference: Estimate;
  effects: Effect[];
}

/** @param level of the intervals, with the resamples and the seed of the bootstrap */
export function summarise(before: Outcome, after: readonly Measured[], settings: BootstrapSettings): Effects {
  const conditions = new Map<string, Measured[]>();
  for (const measured of after) {
    const key = `${measured.way} ${measured.set} ${measured.scale}`;
    conditions.set(key, [...(conditions.get(key) ?? []), measured]);
  }
  const chosen = (way: Way, scale: number) =>
    Math.abs(meanChange(before, conditions.get(`${way} chosen ${scale}`)![0]!.outcome) ?? Number.NaN);
  // Each scale's controls stand below it.
  const byWay = (way: Way) =>
    [...conditions.values()].filter(([first]) => first!.way === way).sort(([a], [b]) => a!.scale - b!.scale);
  const effects = [...byWay('in place'), ...byWay('direct')].map((draws): Effect => {
    const { set, way, scale } = draws[0]!;
    const columns = {
      change: averaged(draws, before, changeOf),
      flipped: averaged(draws, before, flippedIn),
      next_token: averaged(draws, before, ({ top }, p) => Number(top[p] !== before.top[p])),
      kl: averaged(draws, before, ({ kl }, p) => kl[p]!),
    };
    const changes = draws.map(({ outcome }) => meanChange(before, outcome));
    const known = changes.filter((value) => value !== null);
    return {
      ...{ set, way, scale, draws: draws.length },
      ...estimates(columns, settings),
      change_sd: known.length > 1 ? standardDeviation(known) : null,
      as_large:
        set === 'chosen' || known.length === 0
          ? null
          : known.filter((value) => Math.abs(value) >= chosen(way, scale)).length / known.length,
    };
  });
  const own = estimates({ logit_difference: before.logitDifference }, settings);
  return { prompts: before.kl.length, ...own, effects };
}

function estimates<Name extends string>(
  columns: Record<Name, Float64Array>,
  settings: BootstrapSettings,
): Record<Name, Estimate> {
  const names = Object.keys(columns) as Name[];
  const intervals = columns[names[0]!]!.length > 1 ? bootstrapIntervals(columns, settings) : null;
  return Object.fromEntries(
    names.map((name) => [name, { value: mean(columns[name]), interval: intervals?.[name] ?? null }]),
  ) as Record<Name, Estimate>;
}

/** Of each prompt, the mean over draws. */
function averaged(
  draws: readonly Measured[],
  before: Outcome,
  figure: (outcome: Outcome, prompt: number, before: Outcome) => number,
): Float64Array {
  return before.kl.map(
    (_, prompt) =>
      draws.reduce((sum, { outcome }) => sum + figure(outcome, prompt, before), 0) / draws.length,
  );
}

function changeOf({ logitDifference }: Outcome, prompt: number, before: Outcome): number {
  return logitDifference[prompt]! - before.logitDifference[prompt]!;
}

/** NaN where there was nothing to flip. */
function flippedIn({ logitDifference }: Outcome, prompt: number, before: Outcome): number {
  return before.logitDifference[prompt]! > 0 ? Number(logitDifference[prompt]! < 0) : Number.NaN;
}

function meanChange(before: Outcome, outcome: Outcome): number | null {
  return mean(before.kl.map((_, prompt) => changeOf(outcome, prompt, before)));
}

/** A next token's mean probability over prompts. */
export interface TokenChange {
  id: number;
  before: number;
  after: number;
}

/** The likeliest tokens before or after, likeliest before first. */
export function nextTokenChanges(before: Outcome, after: Outcome, count: number): TokenChange[] {
  const likeliest = (probabilities: Float64Array) =>
    Array.from(probabilities.keys())
      .sort((a, b) => probabilities[b]! - probabilities[a]! || a - b)
      .slice(0, count);
  const ids = new Set([...likeliest(before.probabilities), ...likeliest(after.probabilities)]);
  return [...ids]
    .map((id) => ({ id, before: before.probabilities[id]!, after: after.probabilities[id]! }))
    .sort((a, b) => Math.max(b.before, b.after) - Math.max(a.before, a.after));
}
