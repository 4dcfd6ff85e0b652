/**
 * How far a circuit's KL can be driven by putting back shares of what it leaves out (docs/maths.md, "Adversarial
 * shares"): projected sign ascent over the shares. Knows nothing of models: it asks for KLs and gradients by masks.
 */
import { heed } from '../heed.js';
import { putBack, stepShares, uniformShares } from '../masks/shares.js';
import type { LongCall } from '../progress.js';
import { Random } from '../random.js';

/** Prompt pairs under masks. */
export interface Attacked {
  /** Mean KL(full ‖ masked), in nats, and its gradient by the masks, [directions]. */
  pull(masks: Float32Array): Promise<{ kl: number; gradient: Float32Array }>;
  /** Mean KL alone. */
  kl(masks: Float32Array): Promise<number>;
  /** The same of several that have much in common, where that costs less than one after the other. */
  klOfEach?(all: readonly Float32Array[]): Promise<number[]>;
}

/** What the adversary may do. */
export interface Budget {
  /** Largest share. */
  cap: number;
  /** Most shares above 0; null: any number. */
  most: number | null;
}

export const NO_LIMIT: Budget = { cap: 1, most: null };

export interface AscentSettings extends Budget {
  /** Numbers of steps, ascending, after each of which the worst so far is told; the last ends the ascent. */
  marks: readonly number[];
  /** The first step, as a part of `cap`. */
  rate: number;
}

/** Shares and the KL that they drive a circuit to. */
export interface Attack {
  shares: Float32Array;
  kl: number;
}

/** The rate halves, and the ascent goes back to its worst point, after so many steps without a worse one. */
const PATIENCE = 10;

/**
 * Projected sign ascent from one start. No step depends on how many follow, so more steps go on from where fewer end.
 * @param circuit masks, [directions]
 * @param start shares, [directions]; cut to the budget
 * @returns the worst point along the way up to each mark
 */
export async function ascend(
  attacked: Attacked,
  circuit: Float32Array,
  start: Float32Array,
  { marks, rate, cap, most }: AscentSettings,
  { signal, onProgress }: LongCall = {},
): Promise<Attack[]> {
  const steps = marks.at(-1)!;
  let shares = start.map((share) => Math.min(cap, share));
  if (most !== null) keepLargest(shares, most, shares);
  let worst: Attack & { gradient: Float32Array } = { shares, kl: -Infinity, gradient: shares };
  const found: Attack[] = [];
  let step = rate * cap;
  let waited = 0;
  for (let done = 0; done <= steps; done++) {
    await heed(signal);
    const masks = putBack(circuit, shares);
    // Nobody goes on from the last point.
    const { kl, gradient } =
      done < steps ? await attacked.pull(masks) : { kl: await attacked.kl(masks), gradient: shares };
    if (kl > worst.kl) {
      worst = { shares: shares.slice(), kl, gradient };
      waited = 0;
    } else waited++;
    onProgress?.({ stage: 'attack', done, total: steps, note: `kl ${worst.kl.toPrecision(3)}` });
    if (marks.includes(done)) found.push({ shares: worst.shares, kl: worst.kl });
    let slope = gradient;
    if (waited === PATIENCE) {
      step /= 2;
      waited = 0;
      shares = worst.shares.slice();
      slope = worst.gradient;
    }
    stepShares(shares, circuit, slope, step, cap);
    if (most !== null) keepLargest(shares, most, gains(shares, circuit, slope));
  }
  return found;
}

/** What putting back each share has gained, to first order. */
function gains(shares: Float32Array, circuit: Float32Array, gradient: Float32Array): Float32Array {
  return shares.map((share, at) => share * (1 - circuit[at]!) * gradient[at]!);
}

/** Puts all shares but the `most` of largest value to 0, in place; of equal ones the first stay. */
function keepLargest(shares: Float32Array, most: number, value: Float32Array): void {
  const above = [...shares.keys()].filter((at) => shares[at]! > 0);
  if (above.length <= most) return;
  above.sort((a, b) => value[b]! - value[a]! || a - b);
  for (const at of above.slice(most)) shares[at] = 0;
}

export interface AttackSettings extends AscentSettings {
  /** How many, see {@link attackStart}. */
  starts: number;
  seed: number;
  /** The worst of the random shares that were measured before; the fourth start. */
  worstDrawn?: Float32Array | null;
}

/**
 * Where an ascent begins: at the circuit itself, at random shares, at the full model, at the worst shares that nobody
 * chose, and then at random ones again. Each is drawn from its own stream, so that more starts are added to the others.
 */
function attackStart(
  directions: number,
  at: number,
  { cap, seed, worstDrawn }: Pick<AttackSettings, 'cap' | 'seed' | 'worstDrawn'>,
): Float32Array {
  if (at === 0) return new Float32Array(directions);
  if (at === 2) return new Float32Array(directions).fill(cap);
  if (at === 3 && worstDrawn) return worstDrawn;
  return uniformShares(directions, new Random(seed).fork(`start ${at}`), cap);
}

/**
 * @param given further starts
 * @returns of each start the worst points up to each mark, the given ones last
 */
export async function attack(
  attacked: Attacked,
  circuit: Float32Array,
  settings: AttackSettings,
  given: readonly Float32Array[] = [],
  { signal, onProgress }: LongCall = {},
): Promise<Attack[][]> {
  const ascents: Attack[][] = [];
  const total = (settings.starts + given.length) * settings.marks.at(-1)!;
  for (let at = 0; at < settings.starts + given.length; at++) {
    const start = given[at - settings.starts] ?? attackStart(circuit.length, at, settings);
    const before = at * settings.marks.at(-1)!;
    const call: LongCall = {
      signal,
      onProgress: (event) => onProgress?.({ ...event, done: before + event.done, total }),
    };
    ascents.push(await ascend(attacked, circuit, start, settings, call));
  }
  return ascents;
}

/** The attack with the largest KL; of equal ones the first. */
export function worstOf<Found extends Attack>(attacks: readonly Found[]): Found {
  return attacks.reduce((worst, found) => (found.kl > worst.kl ? found : worst));
}

/**
 * The worst that is found within each of several budgets. Each also goes on from what the one before found, so that a
 * larger budget, which allows all that a smaller one does, never finds less.
 * @param budgets from the smallest to the largest
 * @param given further starts within each
 */
export async function attackWithin(
  attacked: Attacked,
  circuit: Float32Array,
  budgets: readonly Budget[],
  how: Pick<AttackSettings, 'marks' | 'rate' | 'starts' | 'seed'>,
  given: (budget: Budget) => Float32Array = ({ cap }) => new Float32Array(circuit.length).fill(cap),
  call: LongCall = {},
): Promise<Attack[]> {
  const found: Attack[] = [];
  for (const budget of budgets) {
    const before = found.slice(-1).map(({ shares }) => shares);
    const starts = [given(budget), ...before];
    const ascents = await attack(attacked, circuit, { ...how, ...budget }, starts, call);
    found.push(worstOf(ascents.flat()));
  }
  return found;
}
