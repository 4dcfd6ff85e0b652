/** How much of mask training goes on at a time within a limit of memory, decided before anything is loaded. */

import type { EngineMemory } from '../engine/memory.js';
import { formatByteSize } from '../formats/byte-size.js';
import type { Masking } from '../forward/masking-rules.js';
import { FULL_PASSES, type Passes } from '../forward/passes.js';
import { hasFixedPast, pastSize } from '../forward/past.js';
import { roomOf, tooLittleMemory } from './too-little-memory.js';
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
  /** Bytes to stay within; null: what the machine has. */
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
  const { weights, token, passing, fixed, least, longest } = needsOf(masking, engine, lengths);
  const most = limit ?? engine.machine;
  const room = roomOf(engine, limit);
  if (least > room.bytes)
    throw tooLittleMemory(
      { what: `one prompt of ${longest} tokens`, bytes: least },
      room,
      mostThatFits(masking, (fewer) => needsOf(fewer, engine, lengths).least, room.bytes),
    );
  // One trains in the process's own thread.
  const beside = (threads: number) => (threads > 1 ? engine.thread : 0);
  const pasts = 4 * lengths.reduce((sum, length) => sum + pastSize(masking.architecture, length), 0);
  const mostPast = Math.min((most - least) / 2, limit === null ? MOST_PAST : Number.POSITIVE_INFINITY);
  const keepPast = mayKeep && hasFixedPast(masking) && pasts <= mostPast;
  const shared = fixed + (keepPast ? pasts : 0);
  let threads = workers;
  const left = () => Math.min((most - shared) / threads - beside(threads), engine.most) - weights;
  while (threads > 1 && left() < longest * token) threads--;
  const size = (each: number, wanted: number) =>
    Math.max(longest, Math.min(Math.floor(left() / each), wanted));
  const inBatch = Math.ceil(batchSize / threads) * longest;
  const passes = {
    train: size(token, Math.min(FULL_PASSES.train, inBatch)),
    forward: size(passing, FULL_PASSES.forward),
    keepPast,
  };
  const working = Math.max(passes.train * token, passes.forward * passing);
  return { workers: threads, passes, memory: shared + threads * (beside(threads) + weights + working) };
}

/** Bytes of one thread by the sizes of what it runs, and what it takes at least: with one prompt at a time. */
function needsOf(masking: Masking, engine: EngineMemory, lengths: readonly number[]) {
  const longest = Math.max(1, ...lengths);
  const shortest = Math.min(longest, ...lengths);
  const memory = trainingMemory(masking, engine, shortest);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const fixed = engine.process + pairMemory(masking, tokens, lengths.length);
  return { ...memory, fixed, longest, least: fixed + memory.weights + longest * memory.token };
}

/** Names of the kinds that are masked those that fit, with as many directions as do; null where none does. */
function mostThatFits(masking: Masking, needs: (masking: Masking) => number, room: number): string | null {
  const { kinds } = masking.layout;
  const subsets = Array.from({ length: 2 ** kinds.length - 1 }, (_, at) =>
    kinds.filter((_, kind) => ((at + 1) >> kind) & 1),
  );
  const fitting = subsets
    .map((some) => masking.layout.only(some))
    .map((layout) => ({ kinds: layout.kinds, size: layout.size, bytes: needs({ ...masking, layout }) }))
    .filter(({ bytes }) => bytes <= room)
    .sort((a, b) => b.size - a.size || a.bytes - b.bytes);
  if (fitting.length === 0) return null;
  const [{ kinds: some, bytes }] = fitting as [(typeof fitting)[0]];
  // Evaluations say it as well, whose masks were trained before.
  return `train masks of --components ${some.join(',')} alone, which need ${formatByteSize(bytes)}`;
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
