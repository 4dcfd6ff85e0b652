/** What an attack on a circuit gives: the part of `metrics.json` that is about it, and whether the circuit holds. */
import { z } from 'zod';
import { sha256 } from '../formats/file-hash.js';
import { type Measure, recordOf } from './metrics.js';

const number = z.number();
const figure = number.nullable();

/** Scores that are measured at the adversary's shares. */
export const ATTACKED_SCORES = [
  'kl',
  'exact_match',
  'accuracy',
  'logit_diff',
  'prob_diff',
] as const satisfies readonly Measure[];

/** KL at random shares, in nats; `sd` is null for a single draw. */
const randomShares = z.object({ mean: number, sd: figure, worst: number });
export type RandomShares = z.infer<typeof randomShares>;

export const attackFigures = z.object({
  /** At the worst shares, on the measured pairs. */
  ...recordOf(ATTACKED_SCORES, () => figure),
  kl: number,
  /** Of the circuit itself on the same pairs. */
  plain_kl: number,
  /** The worst after so many steps, over all starts. */
  by_steps: z.array(z.object({ steps: number, kl: number })),
  /** The worst of each start. */
  by_start: z.array(number),
  random: z.object({ uniform: randomShares, bernoulli: randomShares }).nullable(),
  /** Along the way to the worst shares. */
  along: z.array(z.object({ part: number, kl: number })),
  /** With at most so many shares above 0; and with none larger than the cap. */
  by_number: z.array(z.object({ most: number, kl: number })),
  by_cap: z.array(z.object({ cap: number, kl: number })),
});
/** What an adversary drives a circuit to; KL in nats. */
export type AttackFigures = z.infer<typeof attackFigures>;

const missed = z.object({
  component: z.string(),
  /** Its place among the component's directions. */
  direction: number,
  share: number,
  /** Its part in the KL that the adversary adds on the attacked pairs, nats: an estimate, from a few points of the way. */
  part: number,
  /** How much KL goes away when its share alone is put to 0, nats; null where that was not measured. */
  returns: figure,
});

export const attackMetrics = attackFigures.extend({
  /** What the adversary saw. */
  seen: z.object({ split: z.string(), source: z.string(), hash: sha256, pairs: number }),
  /** Pairs of the measured split, evenly chosen, on which what it found was measured. */
  n: number,
  starts: number,
  steps: number,
  step: number,
  /** Left-out directions that it put back any of. */
  put_back: number,
  /** Those with the largest parts in what it did: left out, but not inert. */
  missed: z.array(missed),
  /** Parts by component, the largest first. */
  missed_by_component: z.array(z.object({ component: z.string(), part: number })),
  /** Each of some prompts attacked by itself, in steps of a whole share; null where that was not asked for. */
  per_prompt: z
    .object({
      steps: number,
      prompts: number,
      mean: number,
      median: number,
      /** The worst first. */
      worst: z.array(z.object({ prompt: number, kl: number })),
    })
    .nullable(),
  /** A random set of directions of the circuit's size under the same attack. */
  control: z.object({ active: number, plain_kl: number, kl: number, exact_match: figure }),
});
export type AttackMetrics = z.infer<typeof attackMetrics>;

/** A circuit holds if the adversary's KL stays below this, or below this multiple of the circuit's own. */
const FIRM = { kl: 0.05, times: 2 };

/** `holds`, or `breaks` (docs/maths.md, "Adversarial shares"). */
export function verdictOf({ kl, plain_kl }: Pick<AttackMetrics, 'kl' | 'plain_kl'>): 'holds' | 'breaks' {
  return kl <= Math.max(FIRM.kl, FIRM.times * plain_kl) ? 'holds' : 'breaks';
}
