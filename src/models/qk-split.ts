/** How the scores of heads with rotary positions are split into directions (docs/maths.md, "Rotary positions"). */
import { InputError } from '../errors.js';
import { DEFAULT_QK_SPLIT, type QK_SPLITS } from '../settings/choices.js';
import type { Architecture } from './architecture.js';

/** Part of a decomposition's identity, as the weight form is; without effect where nothing turns. */
export interface QkSplit {
  /**
   * `rotary`: rank-one directions, ordered by what they contribute over offsets 0 … N − 1; exact at every offset.
   * `plane`: the planes that turn, rank two each. `offset`: the plain SVD at one offset, to be read and not masked.
   */
  by: (typeof QK_SPLITS)[number];
  /** N of `rotary`, and of the sizes that `plane` reports; for `offset` the one offset. */
  offsets: number;
}

export const DEFAULT_SPLIT: QkSplit = DEFAULT_QK_SPLIT;

/** `rotary 64`, `plane` or `offset 3`; `svd` where nothing turns: what a masks file says its masks belong to. */
export function splitName({ by, offsets }: QkSplit, { rotary }: Architecture): string {
  if (!rotary) return 'svd';
  return by === 'plane' ? by : `${by} ${offsets}`;
}

/**
 * @throws InputError if the split is not one, or the architecture cannot be split so
 */
export function checkSplit({ by, offsets }: QkSplit, { rotary, dHead, family }: Architecture): void {
  const least = by === 'offset' ? 0 : 1;
  if (!Number.isSafeInteger(offsets) || offsets < least)
    throw new InputError(`--rotary-offsets ${offsets}: give a whole number from ${least} up`);
  if (by === 'plane' && !rotary)
    throw new InputError(
      `--qk-split plane: a ${family} model has no rotary positions, so no planes that turn`,
    );
  if (by === 'plane' && dHead % 2 !== 0)
    throw new InputError(`--qk-split plane: heads of ${dHead} dimensions have no ${dHead / 2} planes`);
}

/**
 * The two coordinates of each plane of a head, planes that turn first, fastest first. Dimensions that do not turn
 * are paired in the same way.
 */
export function planesOf(dHead: number, turning: number): [number, number][] {
  const pairs = (from: number, width: number) =>
    Array.from({ length: width / 2 }, (_, i): [number, number] => [from + i, from + i + width / 2]);
  return [...pairs(0, turning), ...pairs(turning, dHead - turning)];
}
