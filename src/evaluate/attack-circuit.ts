/**
 * Whether a circuit holds when what it left out comes back: the adversary looks for shares on some pairs, and what they
 * do is measured on others, so that what is found is a defect of the circuit and not of single prompts.
 */
import { heed } from '../heed.js';
import { putBack } from '../masks/shares.js';
import type { LongCall } from '../progress.js';
import { mean } from '../statistics/summary.js';
import {
  type Attack,
  type Attacked,
  ascend,
  attack,
  attackWithin,
  type Budget,
  NO_LIMIT,
  worstOf,
} from './adversary.js';
import { ATTACKED_SCORES, type AttackFigures } from './attack-figures.js';
import { type Missed, missedDirections } from './left-out.js';
import { recordOf } from './metrics.js';
import type { PromptScores } from './prompt-scores.js';
import { alongShares, type RandomKind, randomShares } from './random-shares.js';

export interface CircuitAttack {
  starts: number;
  marks: readonly number[];
  rate: number;
  seed: number;
  /** Steps within each budget; 0: no budgets. */
  budgetSteps: number;
  /** Most shares above 0, ascending. */
  most: readonly number[];
  /** Largest shares, ascending. */
  caps: readonly number[];
  /** Draws of random shares of each sort, the worst of which is the fourth start. */
  draws: number;
  /** Points of the way to the worst shares at which slopes are taken, to say what has how large a part in them. */
  points: number;
  /** Steps of the same way at which the KL is measured; 0: none. */
  along: number;
  /** Left-out directions whose part is measured exactly. */
  exactly: number;
}

/** Pairs that the adversary's shares are measured on. */
export interface MeasuredPairs {
  kl(masks: Float32Array): Promise<number>;
  score(masks: Float32Array): Promise<PromptScores>;
}

export interface AttackCall extends LongCall {
  /** Called with what is known already of the measured pairs: the circuit's own KL first, nats. */
  onSoFar?(found: { plain_kl: number; kl: number }): void;
}

/** Shares as they were measured. */
interface Scored extends Attack {
  scores: PromptScores;
}

export interface CircuitAttacked {
  figures: AttackFigures;
  /** The worst shares, [directions]. */
  shares: Float32Array;
  /** What each of these has to do with it, on the attacked pairs, the largest part first. */
  missed: Missed[];
}

/**
 * @param attacked what the adversary sees
 * @param measured what its shares are measured on
 * @param circuit masks, [directions]
 */
export async function attackCircuit(
  attacked: Attacked,
  measured: MeasuredPairs,
  circuit: Float32Array,
  settings: CircuitAttack,
  { onSoFar, ...call }: AttackCall = {},
): Promise<CircuitAttacked> {
  const { starts, marks, rate, seed, draws } = settings;
  const quiet: LongCall = { signal: call.signal };
  const klAt = async (shares: Float32Array) => {
    await heed(call.signal);
    return measured.kl(putBack(circuit, shares));
  };
  /** With all scores: those of the worst are told. */
  const scored = async (shares: Float32Array): Promise<Scored> => {
    await heed(call.signal);
    const scores = await measured.score(putBack(circuit, shares));
    return { shares, kl: mean(scores.kl)!, scores };
  };
  const nothing = await scored(new Float32Array(circuit.length));
  let worstSoFar = nothing.kl;
  const note = (kl: number) => {
    worstSoFar = Math.max(worstSoFar, kl);
    onSoFar?.({ plain_kl: nothing.kl, kl: worstSoFar });
  };
  note(nothing.kl);
  const drawn = async (kind: RandomKind) => randomShares(measured, circuit, kind, { draws, seed }, quiet);
  const random =
    draws === 0 ? null : { uniform: await drawn('uniform'), bernoulli: await drawn('bernoulli') };
  const worstDrawn = random && worstOf([random.uniform.worst, random.bernoulli.worst]).shares;
  const how = { ...NO_LIMIT, starts, marks, rate, seed, worstDrawn };
  const ascents = await attack(attacked, circuit, how, [], call);
  // Measured at every mark: what is worse on the attacked pairs need not be on the others.
  const found: Scored[][] = [];
  for (const ascent of ascents) {
    const points: Scored[] = [];
    for (const [at, { shares }] of ascent.entries()) {
      const before = points[at - 1];
      const same = before !== undefined && shares.every((share, i) => share === before.shares[i]);
      points.push(same ? before : await scored(shares));
      note(points.at(-1)!.kl);
    }
    found.push(points);
  }
  const worstUpTo = (mark: number) =>
    worstOf([nothing, ...found.flatMap((points) => points.slice(0, mark + 1))]);
  const worst = worstUpTo(marks.length - 1);

  const missed =
    settings.points === 0 ? [] : await missedDirections(attacked, circuit, worst.shares, settings, quiet);
  /** What the worst shares have most to do with, and no more of it than the budget allows. */
  const mostOfIt = ({ most, cap }: Budget) => {
    const shares = new Float32Array(circuit.length);
    for (const { direction, share } of missed.slice(0, most ?? missed.length))
      shares[direction] = Math.min(share, cap);
    return shares;
  };
  const within = async (budgets: Budget[], rate: number) => {
    if (settings.budgetSteps === 0) return [];
    const how = { rate, starts: 2, marks: [settings.budgetSteps], seed };
    const attacks = await attackWithin(attacked, circuit, budgets, how, mostOfIt, call);
    let kl = nothing.kl;
    const kls: number[] = [];
    // A larger budget allows what a smaller one does.
    for (const { shares } of attacks) {
      kl = Math.max(kl, await klAt(shares));
      kls.push(kl);
    }
    return kls;
  };
  const { most, caps, along } = settings;
  // Where few may be put back, each is put back whole or not at all.
  const byNumber = await within(
    most.map((most) => ({ most, cap: 1 })),
    1,
  );
  const byCap = await within(
    caps.map((cap) => ({ most: null, cap })),
    rate,
  );
  return {
    figures: {
      ...recordOf(ATTACKED_SCORES, (score) => mean(worst.scores[score])),
      kl: worst.kl,
      plain_kl: nothing.kl,
      by_steps: marks.map((steps, at) => ({ steps, kl: worstUpTo(at).kl })),
      by_start: found.map((points) => worstOf(points).kl),
      random: random && { uniform: random.uniform.figures, bernoulli: random.bernoulli.figures },
      along: along === 0 ? [] : await alongShares(measured, circuit, worst.shares, along, quiet),
      by_number: byNumber.map((kl, at) => ({ most: most[at]!, kl })),
      by_cap: byCap.map((kl, at) => ({ cap: caps[at]!, kl })),
    },
    shares: worst.shares,
    missed,
  };
}

/**
 * The attack on each prompt by itself, from the circuit on, in few steps of a whole share (as published, four).
 * @param one what the adversary sees of one prompt
 * @returns KL of each, nats
 */
export async function attackPrompts(
  one: (prompt: number) => Attacked,
  prompts: number,
  circuit: Float32Array,
  { steps = 4, rate = 1 }: { steps?: number; rate?: number } = {},
  { onProgress, signal }: LongCall = {},
): Promise<Float64Array> {
  const kls = new Float64Array(prompts);
  for (let prompt = 0; prompt < prompts; prompt++) {
    onProgress?.({ stage: 'attack prompts', done: prompt, total: prompts });
    const start = new Float32Array(circuit.length);
    const how = { ...NO_LIMIT, rate, marks: [steps] };
    const [found] = await ascend(one(prompt), circuit, start, how, { signal });
    kls[prompt] = found!.kl;
  }
  onProgress?.({ stage: 'attack prompts', done: prompts, total: prompts });
  return kls;
}
