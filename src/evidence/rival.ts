/** The line that asks whether this is the circuit, or one of several: another one of its size, from other directions. */
import { type BootstrapSettings, ratioOfMeans } from '../statistics/bootstrap.js';
import { mean } from '../statistics/summary.js';
import { lineOf, missing, percentOf } from './lines.js';
import type { Line } from './verdict-file.js';

/** A rival keeps at least this share of what the circuit keeps. */
const ENOUGH = 0.8;

export interface Rival {
  /** Of the circuit and of the rival: directions that they keep. */
  kept: number;
  rival_kept: number;
  /** What the search itself kept, before it was cut at the circuit's size. */
  found: number;
  /** For each prompt, what the circuit, the rival and nothing kept do: KL in nats, and the logit difference, NaN without one. */
  circuit: { kl: Float64Array; logit_diff: Float64Array };
  rival: { kl: Float64Array; logit_diff: Float64Array };
  nothing: { kl: Float64Array; logit_diff: Float64Array };
}

/**
 * The share of what the circuit keeps that a rival keeps, as a ratio of means over prompts: of the logit difference above
 * that of nothing kept, (m(R) − m(∅)) / (m(C) − m(∅)), which is f(R)/f(C); without distractors of the KL won back.
 */
export function rivalLine(found: Rival, settings: BootstrapSettings): Line {
  const { circuit, rival, nothing, kept, rival_kept } = found;
  const scored = [...circuit.logit_diff.keys()].filter((i) => !Number.isNaN(circuit.logit_diff[i]));
  const [name, sign, at] =
    scored.length > 0 ? (['logit_diff', 1, scored] as const) : (['kl', -1, [...circuit.kl.keys()]] as const);
  const above = (of: Rival['circuit']) => at.map((i) => sign * (of[name][i]! - nothing[name][i]!));
  const own = above(circuit);
  if (kept === 0 || rival_kept < kept)
    return missing('rival', 'too few directions are left beside the circuit');
  const { ratio, percentile } = ratioOfMeans(above(rival), own, settings);
  const what = name === 'kl' ? 'the KL that it wins back' : 'its faithfulness';
  const is = percentile[0] >= ENOUGH ? 'against' : percentile[1] < ENOUGH ? 'for' : 'open';
  return lineOf('rival', {
    outcome: is,
    statistic: { name: `share of ${what} that a rival keeps`, value: ratio },
    n: { value: at.length, of: 'prompts' },
    claim:
      is === 'for'
        ? `Without its directions the same training found no circuit of its size that does nearly as well: the best has ${percentOf(ratio)} of ${what}.`
        : `${is === 'against' ? 'It is a sufficient circuit, not the only one' : 'It may not be the only one'}: ${rival_kept} other directions keep ${percentOf(ratio)} of ${what} (${percentOf(percentile[0])} to ${percentOf(percentile[1])}).`,
    limit:
      is === 'for'
        ? 'One search was made: another one, or a larger circuit, may do as well.'
        : 'A rival shares no direction with it; it may use the same heads.',
    numbers: {
      ratio: [ratio, ...percentile],
      enough: ENOUGH,
      kept,
      rival_kept,
      found: found.found,
      kl: mean(circuit.kl),
      rival_kl: mean(rival.kl),
      kl_of_nothing: mean(nothing.kl),
    },
  });
}
