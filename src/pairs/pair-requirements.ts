/** What loss and replacement rule ask of prompt pairs, checked before anything long begins. */
import type { LossKind } from '../engine/ops/loss.js';
import { InputError } from '../errors.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Positions, Replacement } from '../forward/masking-rules.js';
import type { Kind } from '../models/components.js';

export interface PairRequirements {
  kinds: readonly Kind[];
  positions: Positions;
  replacement: Replacement;
  loss: LossKind;
}

/**
 * @throws InputError naming the first pair that lacks a corrupted prompt, an answer or a distractor that is
 *   needed, or whose prompts differ in length where positions are compared one by one
 */
export function checkPairs(
  pairs: readonly TokenPair[],
  { kinds, positions, replacement, loss }: PairRequirements,
): void {
  const refuse = (fails: (pair: TokenPair) => boolean, message: (pair: TokenPair) => string) => {
    const failing = pairs.filter(fails);
    if (failing.length === 0) return;
    const others = failing.length > 1 ? ` (and ${failing.length - 1} more)` : '';
    throw new InputError(`pair "${failing[0]!.id}"${others} ${message(failing[0]!)}`);
  };
  if (replacement === 'interchange' && kinds.some((kind) => kind !== 'qk')) {
    refuse(
      ({ corrupted }) => corrupted === null,
      () =>
        'has no corrupted prompt, which the replacement rule "interchange" reads; ' +
        'add it, or choose --replacement mean, zero or resample',
    );
    if (positions === 'all')
      refuse(
        ({ clean, corrupted }) => clean.length !== corrupted!.length,
        ({ clean, corrupted }) =>
          `has prompts of ${clean.length} and ${corrupted!.length} tokens; --positions all needs aligned pairs of equal length`,
      );
  }
  if (loss !== 'kl')
    refuse(
      ({ answers }) => answers.length === 0,
      () => `has no answer, which the loss "${loss}" reads; add it, or choose --loss kl`,
    );
  if (loss === 'logit_diff')
    refuse(
      ({ distractors }) => distractors.length === 0,
      () => 'has no distractor, which the loss "logit_diff" reads; add it, or choose --loss kl',
    );
}
