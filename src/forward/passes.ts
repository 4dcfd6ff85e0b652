/** How many prompts run at a time. */

/** How a worker runs prompts. */
export interface Passes {
  /** Positions (padding included) in one pass forward and backward. */
  train: number;
  /** In one pass forward only. */
  forward: number;
  /** Whether what no mask reaches is computed once and kept, or anew in each pass. */
  keepPast: boolean;
}

/** Where memory is no limit: more at a time are no faster. */
export const FULL_PASSES: Passes = { train: 2048, forward: 2048, keepPast: true };

/**
 * Cuts a list of prompts into batches of similar length, so that little padding is computed.
 * @param maxTokens most positions (padding included) in one batch; a single longer prompt is a batch of its own
 * @returns indices into `lengths`
 */
export function batchesByLength(lengths: readonly number[], maxTokens: number): number[][] {
  const order = lengths.map((_, index) => index).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const batches: number[][] = [];
  let batch: number[] = [];
  for (const index of order) {
    // Sorted ascending: the newest is the longest and sets the width of the whole batch.
    if (batch.length > 0 && (batch.length + 1) * lengths[index]! > maxTokens) {
      batches.push(batch);
      batch = [];
    }
    batch.push(index);
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
