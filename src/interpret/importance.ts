/**
 * How much a circuit's fidelity rests on each of its directions: what happens to KL and logit difference when it alone
 * is dropped from the circuit, and when it alone is added to nothing. By the gradient at the circuit, and at nothing,
 * for all directions; measured for some.
 */

import { scorePrompts } from '../evaluate/prompt-scores.js';
import { FULL_PASSES } from '../forward/passes.js';
import { heed } from '../heed.js';
import { objective } from '../masks/objective.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import { mean } from '../statistics/summary.js';

/** Changes: after − before. Null where pairs have no answers. */
export interface FidelityChange {
  kl: number;
  logit_difference: number | null;
}

export interface MeasuredChange extends FidelityChange {
  accuracy: number | null;
}

export interface Importance {
  /** By the gradient; null for a direction that is not in the circuit. */
  dropped_estimate: FidelityChange | null;
  added_estimate: FidelityChange;
  /** Measured; null where it was not. */
  dropped: MeasuredChange | null;
  added: MeasuredChange | null;
}

/**
 * @param circuit 1 or 0 for each direction of the model that pairs are prepared on
 * @param options.exact how many directions of the circuit are measured: those with the largest estimates
 * @returns one for each direction, in the layout's order
 */
export async function importances(
  prepared: PreparedPairs,
  circuit: Float32Array,
  { exact, onProgress, signal }: { exact: number } & LongCall,
): Promise<Importance[]> {
  const contrasted = prepared.pairs.every(
    ({ answers, distractors }) => answers.length > 0 && distractors.length > 0,
  );
  const indices = prepared.pairs.map((_, index) => index);
  const nothing = new Float32Array(circuit.length);
  const gradients = contrasted ? 4 : 2;
  let taken = 0;
  const gradientAt = async (masks: Float32Array, loss: 'kl' | 'logit_diff') => {
    const { gradient } = await objective(prepared, indices, masks, loss, FULL_PASSES.train, { signal });
    onProgress?.({ stage: 'gradients', done: ++taken, total: gradients });
    return gradient;
  };
  onProgress?.({ stage: 'gradients', done: taken, total: gradients });
  const [klThere, klFrom] = [await gradientAt(circuit, 'kl'), await gradientAt(nothing, 'kl')];
  const [differenceThere, differenceFrom] = contrasted
    ? [await gradientAt(circuit, 'logit_diff'), await gradientAt(nothing, 'logit_diff')]
    : [null, null];
  const found = Array.from(
    circuit,
    (mask, at): Importance => ({
      // Its loss is minus the logit difference.
      dropped_estimate:
        mask > 0
          ? { kl: -klThere[at]!, logit_difference: differenceThere ? differenceThere[at]! : null }
          : null,
      added_estimate: {
        kl: klFrom[at]!,
        logit_difference: differenceFrom ? -differenceFrom[at]! : null,
      },
      dropped: null,
      added: null,
    }),
  );
  const strongest = [...circuit.keys()]
    .filter((at) => circuit[at]! > 0)
    .sort((a, b) => Math.abs(found[b]!.dropped_estimate!.kl) - Math.abs(found[a]!.dropped_estimate!.kl))
    .slice(0, exact);
  if (strongest.length === 0) return found;
  const figures = async (masks: Float32Array): Promise<MeasuredChange> => {
    const { kl, logit_diff, accuracy } = await scorePrompts(prepared, masks, { signal });
    return { kl: mean(kl)!, logit_difference: mean(logit_diff), accuracy: mean(accuracy) };
  };
  const [whole, none] = [await figures(circuit), await figures(nothing)];
  for (const [done, at] of strongest.entries()) {
    await heed(signal);
    onProgress?.({ stage: 'importance', done, total: strongest.length });
    const without = circuit.slice();
    without[at] = 0;
    const alone = nothing.slice();
    alone[at] = 1;
    found[at]!.dropped = difference(await figures(without), whole);
    found[at]!.added = difference(await figures(alone), none);
  }
  onProgress?.({ stage: 'importance', done: strongest.length, total: strongest.length });
  return found;
}

function difference(after: MeasuredChange, before: MeasuredChange): MeasuredChange {
  const by = (a: number | null, b: number | null) => (a === null || b === null ? null : a - b);
  return {
    kl: after.kl - before.kl,
    logit_difference: by(after.logit_difference, before.logit_difference),
    accuracy: by(after.accuracy, before.accuracy),
  };
}
