/** Pairs on their way to processes, which share no memory, and what comes back from them. */
import type { Masking } from '../forward/masking-rules.js';
import { blockSize, type CoefficientBlock, slotsOf } from './coefficient-slots.js';
import type { EmptyPairs, FilledPairs, ReadyPairs } from './pair-data.js';

/**
 * The same with arrays of its own that hold what masks on these pairs need and no more, to be sent to a process. Pasts
 * stay behind: a GPU computes them anew in less time than they take on the way.
 */
export function detached(masking: Masking, data: ReadyPairs): ReadyPairs {
  const d = masking.architecture.dModel;
  const states = new Float32Array(data.rows.length * d);
  data.rows.forEach((row, at) => states.set(data.states.subarray(row * d, (row + 1) * d), at * d));
  const slots = slotsOf(masking);
  const size = (block: CoefficientBlock) => blockSize(masking, slots, block.length);
  // Pairs may share a block.
  const blocks = [...new Set(data.replaced)];
  const moved = new Map<CoefficientBlock, CoefficientBlock>();
  const coefficients = new Float32Array(blocks.reduce((sum, block) => sum + size(block), 0));
  let start = 0;
  for (const block of blocks) {
    coefficients.set(data.coefficients.subarray(block.start, block.start + size(block)), start);
    moved.set(block, { ...block, start });
    start += size(block);
  }
  const rows = data.rows.map((_, at) => at);
  const replaced = data.replaced.map((block) => moved.get(block)!);
  return { ...data, states, rows, coefficients, replaced, pasts: null };
}

/** What a process writes about some pairs, in their order: rows of `states`, and their own blocks of `coefficients`. */
export type PairContents = Pick<FilledPairs, 'states' | 'coefficients'>;

/** Writes it where these pairs have their room. */
export function received(masking: Masking, room: EmptyPairs, contents: PairContents): FilledPairs {
  const d = masking.architecture.dModel;
  room.rows.forEach((row, at) => room.states.set(contents.states.subarray(at * d, (at + 1) * d), row * d));
  const slots = slotsOf(masking);
  let from = 0;
  for (const { start, length } of room.own) {
    const to = from + blockSize(masking, slots, length);
    room.coefficients.set(contents.coefficients.subarray(from, to), start);
    from = to;
  }
  return { ...room, filled: true };
}
