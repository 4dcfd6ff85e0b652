/** Which of the directions that a circuit leaves out break it when they come back. */
import { heed } from '../heed.js';
import { putBack } from '../masks/shares.js';
import type { LongCall } from '../progress.js';
import type { Attacked } from './adversary.js';

/** A direction that is left out, but not inert. */
export interface Missed {
  /** Its place in the mask vector. */
  direction: number;
  /** How much of it the adversary puts back. */
  share: number;
  /** Its part in the KL that the adversary adds, nats: with many points of the way, all parts add up to that. */
  part: number;
  /** How much KL goes away when its share alone is put to 0, nats; null where that was not measured. */
  returns: number | null;
}

/**
 * Takes the KL between the circuit and the adversary's point apart: each direction's part is the integral of its
 * slope along the straight way from one to the other (integrated gradients, Sundararajan et al. 2017), by the
 * midpoint rule.
 * @param circuit masks, [directions]
 * @param shares the adversary's, [directions]
 * @param options.points of the way at which the gradient is taken
 * @param options.exactly of so many directions, those with the largest parts, `returns` is measured
 * @returns all directions whose share is above 0, the largest parts first
 */
export async function missedDirections(
  attacked: Attacked,
  circuit: Float32Array,
  shares: Float32Array,
  { points, exactly }: { points: number; exactly: number },
  { signal }: LongCall = {},
): Promise<Missed[]> {
  const parts = new Float64Array(circuit.length);
  for (let point = 0; point < points; point++) {
    await heed(signal);
    const { gradient } = await attacked.pull(putBack(circuit, shares, (point + 0.5) / points));
    for (let i = 0; i < parts.length; i++)
      parts[i]! += (gradient[i]! * (1 - circuit[i]!) * shares[i]!) / points;
  }
  const missed = [...shares.keys()]
    .filter((at) => shares[at]! > 0 && circuit[at]! < 1)
    .map((at): Missed => ({ direction: at, share: shares[at]!, part: parts[at]!, returns: null }))
    .sort((a, b) => b.part - a.part || a.direction - b.direction);
  const measured = missed.slice(0, exactly);
  const without = measured.map(({ direction }) =>
    putBack(
      circuit,
      shares.map((share, at) => (at === direction ? 0 : share)),
    ),
  );
  const [whole, ...rest] = await klOfEach(attacked, [putBack(circuit, shares), ...without], signal);
  measured.forEach((found, at) => {
    found.returns = whole! - rest[at]!;
  });
  return missed;
}

async function klOfEach(
  attacked: Attacked,
  all: readonly Float32Array[],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  await heed(signal);
  if (attacked.klOfEach) return attacked.klOfEach(all);
  const kls: number[] = [];
  for (const masks of all) {
    await heed(signal);
    kls.push(await attacked.kl(masks));
  }
  return kls;
}
