/** What shares of the left-out directions do that nobody chose: random ones, and parts of an adversary's. */
import { heed } from '../heed.js';
import { bernoulliShares, putBack, uniformShares } from '../masks/shares.js';
import type { LongCall } from '../progress.js';
import { Random } from '../random.js';
import { mean, standardDeviation } from '../statistics/summary.js';
import { type Attack, type Attacked, worstOf } from './adversary.js';
import type { RandomShares } from './attack-figures.js';

const DRAWS = { uniform: uniformShares, bernoulli: bernoulliShares };
export type RandomKind = keyof typeof DRAWS;

/** What they drive the circuit to, and the worst of them. */
export interface DrawnShares {
  figures: RandomShares;
  worst: Attack;
}

/**
 * KL at random shares, in nats.
 * @param kind `uniform` in [0, 1), or `bernoulli`: 0 or 1, as likely as the other
 */
export async function randomShares(
  attacked: Pick<Attacked, 'kl'>,
  circuit: Float32Array,
  kind: RandomKind,
  { draws, seed }: { draws: number; seed: number },
  { signal }: LongCall = {},
): Promise<DrawnShares> {
  const found: Attack[] = [];
  for (let draw = 0; draw < draws; draw++) {
    const shares = DRAWS[kind](circuit.length, new Random(seed).fork(`${kind} shares ${draw}`));
    await heed(signal);
    found.push({ shares, kl: await attacked.kl(putBack(circuit, shares)) });
  }
  const kls = found.map(({ kl }) => kl);
  const worst = worstOf(found);
  return { figures: { mean: mean(kls)!, sd: standardDeviation(kls), worst: worst.kl }, worst };
}

/** KL along k·shares, k = 0, 1/points … 1. */
export async function alongShares(
  attacked: Pick<Attacked, 'kl'>,
  circuit: Float32Array,
  shares: Float32Array,
  points: number,
  { signal }: LongCall = {},
): Promise<{ part: number; kl: number }[]> {
  const curve: { part: number; kl: number }[] = [];
  for (let point = 0; point <= points; point++) {
    await heed(signal);
    const part = point / points;
    curve.push({ part, kl: await attacked.kl(putBack(circuit, shares, part)) });
  }
  return curve;
}
