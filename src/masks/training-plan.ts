/** How much of mask training goes on at a time within a limit of memory, decided before anything is loaded. */

import type { EngineMemory } from '../engine/memory.js';
import { InputError } from '../errors.js';
import { formatByteSize } from '../formats/byte-size.js';
import type { Masking } from '../forward/masking-rules.js';
import { FULL_PASSES, type Passes } from '../forward/passes.js';
import { hasFixedPast, pastSize } from '../forward/past.js';
import { trainingMemory } from './training-cost.js';

/** Most bytes of kept pasts where no memory limit was given; more could push other programs out of memory. */
const MOST_PAST = 2e9;

/** Bytes of what is kept about prompt pairs, pasts aside. */
function pairMemory({ architecture, layout, positions }: Masking, tokens: number, pairs: number): number {
  const replaced = layout.components.reduce((sum, { kind, rank }) => sum + (kind === 'qk' ? 0 : rank), 0);
  return 4 * (pairs * architecture.dModel + (positions === 'all' ? tokens : pairs) * replaced);
}

export interface TrainingPlan {
  /** Threads or processes that share a batch. */
  workers: number;
  passes: Passes;
  /** Bytes expected at most, of all threads together or of each process. */
  memory: number;
}

export interface PlanRequest {
  masking: Masking;
  engine: EngineMemory;
  /** Bytes to stay within; null: no limit. */
  limit: number | null;
  /** Most threads. */
  workers: number;
  /** Tokens of each prompt. */
  lengths: readonly number[];
  /** Pairs in a step. */
  batchSize: number;
  /** Whether pasts may be kept; true where absent. */
  keepPast?: boolean;
}

/**
 * Pasts are kept if they take no more than half of what one thread leaves, since they save more time than further
 * threads do. The rest goes first to as many threads as were asked for and fit, then to positions of a pass.
 * @throws InputError if not even one thread with one prompt fits
 */
export function planTraining({
  masking,
  engine,
  limit,
  workers,
  lengths,
  batchSize,
  keepPast: mayKeep = true,
}: PlanRequest): TrainingPlan {
  const longest = Math.max(1, ...lengths);
  const shortest = Math.min(longest, ...lengths);
  const { weights, token, passing } = trainingMemory(masking, engine, shortest);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const fixed = engine.process + pairMemory(masking, tokens, lengths.length);
  const most = limit ?? Number.POSITIVE_INFINITY;
  // One trains in the process's own thread.
  const beside = (threads: number) => (threads > 1 ? engine.thread : 0);
  const least = fixed + weights + longest * token;
  if (least > most)
    throw new InputError(
      `--memory ${formatByteSize(most)}: one prompt of ${longest} tokens needs ${formatByteSize(least)} with this model; raise it`,
    );
  const pasts = 4 * lengths.reduce((sum, length) => sum + pastSize(masking.architecture, length), 0);
  const keepPast =
    mayKeep && hasFixedPast(masking) && pasts <= (limit === null ? MOST_PAST : (limit - least) / 2);
  const shared = fixed + (keepPast ? pasts : 0);
  let threads = workers;
  const room = () => Math.min((most - shared) / threads - beside(threads), engine.most) - weights;
  while (threads > 1 && room() < longest * token) threads--;
  const size = (each: number, wanted: number) =>
    Math.max(longest, Math.min(Math.floor(room() / each), wanted));
  const inBatch = Math.ceil(batchSize / threads) * longest;
  const passes = {
    train: size(token, Math.min(FULL_PASSES.train, inBatch)),
    forward: size(passing, FULL_PASSES.forward),
    keepPast,
  };
  const working = Math.max(passes.train * token, passes.forward * passing);
  return { workers: threads, passes, memory: shared + threads * (beside(threads) + weights + working) };
}

/**
 * The same where each worker is a process with a GPU, and so with the limit, to itself: all that were asked for, each
 * of which takes its share of a batch.
 * @throws InputError if one prompt does not fit
 */
export function planProcesses({ workers, ...request }: PlanRequest): TrainingPlan {
  return { ...planShare({ ...request, workers: 1 }, workers), workers };
}

/**
 * A plan for one of so many that share a batch and no memory. Pasts are not kept, since they would have to travel with
 * every batch: of a model of width d that is 1/3d bytes for each operation saved, which a GPU does in less time.
 * @throws InputError if one prompt does not fit
 */
export function planShare(request: PlanRequest, sharers: number): TrainingPlan {
  const batchSize = Math.ceil(request.batchSize / sharers);
  return planTraining({ ...request, batchSize, keepPast: false });
}
