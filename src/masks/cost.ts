/** What mask training takes, by shapes alone, before anything is loaded: for limits of memory and estimates of time. */
import { InputError } from '../errors.js';
import { formatByteSize } from '../formats/byte-size.js';
import type { Masking } from '../forward/masking-rules.js';
import { FULL_PASSES, type Passes } from '../forward/passes.js';
import { hasFixedPast, pastSize } from '../forward/past.js';

/** What an engine is as far as memory goes. */
export interface EngineMemory {
  /** Bytes without any model, of the process and of each further thread. */
  process: number;
  thread: number;
  /**
   * Memory of the weights over their size: wasm's product keeps a packed copy of what it multiplied by, and loading
   * leaves something behind on TensorFlow.
   */
  copies: number;
  /** Most that it can address in one thread. */
  most: number;
}

export function engineMemory(engine: string): EngineMemory {
  if (engine === 'wasm') return { process: 150e6, thread: 150e6, copies: 2, most: 2 ** 32 };
  return { process: 500e6, thread: 0, copies: 1.4, most: Number.POSITIVE_INFINITY };
}

/** What allocators lose between blocks of a pass. With it, `copies` and the rest fit bench/training.ts to a tenth. */
const SLACK = 1.25;

/** Numbers in the frozen matrices of a layer: those that every position passes, and those that masks read. */
function layerNumbers({ architecture, layout }: Masking): { plain: number; bases: number } {
  const { dModel: d, dMlp, dHead, nHeads, nKvHeads, gatedMlp } = architecture;
  const attention = d * dHead * (2 * nHeads + 2 * nKvHeads);
  const plain = attention + d * dMlp * (gatedMlp ? 3 : 2);
  let bases = 0;
  for (const { layer, rows, cols, rank } of layout.components) if (layer === 0) bases += rank * (rows + cols);
  return { plain, bases };
}

export interface TrainingMemory {
  /** Of the weights on one engine, and of the embedding beside it. */
  weights: number;
  /** For each position of a forward and backward pass. */
  token: number;
  /** For each position of a forward pass alone. */
  passing: number;
}

/** @param length tokens of a prompt; the shortest is on the safe side, since each prompt has its own logits */
export function trainingMemory(masking: Masking, engine: EngineMemory, length: number): TrainingMemory {
  const { architecture, layout, positions } = masking;
  const { nLayers, dModel: d, dMlp, dHead, nHeads, nVocab, nPositions, gatedMlp } = architecture;
  const { plain, bases } = layerNumbers(masking);
  const frozen = nLayers * (plain + bases) + d * nVocab;
  const embedding = d * (nVocab + (architecture.rotary ? 0 : nPositions));
  // Kept for the pullback: keys and values; where a position can move, both normalised streams, queries twice,
  // attention, the MLP's slopes.
  const masked = positions === 'all' ? layout.size / nLayers : 0;
  const past = hasFixedPast(masking);
  const moving = 2 * d + 2 * nHeads * dHead + nHeads * length + (gatedMlp ? 3 : 1) * dMlp + 2 * masked;
  const kept = 2 * nHeads * dHead + moving / (past ? length : 1);
  // Within a block: the hidden layer in a few forms, the stream in more. At the end: logits in a few.
  const passing = 8 * d + 6 * dMlp + (6 * nVocab) / length;
  // As it is prepared, the past of a batch is there whole.
  const prepared = past ? pastSize(architecture, 2) : 0;
  return {
    weights: 4 * (engine.copies * frozen + embedding),
    token: 4 * SLACK * (nLayers * kept + passing),
    passing: 4 * SLACK * (passing + nLayers * masked + prepared),
  };
}

/** Most bytes of pasts where no limit was given: then other programs must not be pushed out. */
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
  /** Whether pasts may be kept, as they may unless this says otherwise. */
  keepPast?: boolean;
}

/**
 * The pasts, if they take no more than half of what one thread leaves: they save more than further threads do. Then
 * as many threads as were asked for and fit, then as many positions in a pass.
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
  const least = fixed + engine.thread + weights + longest * token;
  if (least > most)
    throw new InputError(
      `--memory ${formatByteSize(most)}: one prompt of ${longest} tokens needs ${formatByteSize(least)} with this model; raise it`,
    );
  const pasts = 4 * lengths.reduce((sum, length) => sum + pastSize(masking.architecture, length), 0);
  const keepPast =
    mayKeep && hasFixedPast(masking) && pasts <= (limit === null ? MOST_PAST : (limit - least) / 2);
  const shared = fixed + (keepPast ? pasts : 0);
  let threads = workers;
  const room = () => Math.min((most - shared) / threads - engine.thread, engine.most) - weights;
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
  return { workers: threads, passes, memory: shared + threads * (engine.thread + weights + working) };
}

/**
 * The same where each worker is a process with a GPU, and so with the limit, to itself: all that were asked for, each
 * of which takes its share of a batch. Pasts are not kept, since they would have to travel with every batch: of a
 * model of width d that is 1/3d bytes for each operation saved, which a GPU does in less time.
 * @throws InputError if one prompt does not fit
 */
export function planProcesses({ workers, batchSize, ...request }: PlanRequest): TrainingPlan {
  const share = Math.ceil(batchSize / workers);
  return { ...planTraining({ ...request, workers: 1, batchSize: share, keepPast: false }), workers };
}

/** Floating-point operations on some prompts. */
export interface TrainingFlops {
  /** Of the unmasked model on clean and corrupted prompts. */
  prepare: number;
  /** Of a masked forward pass, the teacher's logits with it. */
  forward: number;
  /** Of the forward pass and as much again backwards. */
  step: number;
}

export function trainingFlops(
  masking: Masking,
  tokens: number,
  prompts: number,
  { keepPast }: Pick<Passes, 'keepPast'>,
): TrainingFlops {
  const { architecture, positions } = masking;
  const { nLayers, dModel, nVocab } = architecture;
  const { plain, bases } = layerNumbers(masking);
  const fixed = hasFixedPast(masking) ? tokens - prompts : 0;
  const past = 2 * nLayers * fixed * plain;
  const masked = positions === 'all' ? tokens : prompts;
  const blocks = 2 * nLayers * ((tokens - fixed) * plain + masked * bases);
  const logits = 2 * prompts * dModel * nVocab;
  const forward = (keepPast ? 0 : past) + blocks + 2 * logits;
  return {
    prepare: 4 * nLayers * tokens * plain + logits,
    forward,
    step: forward + blocks + logits,
  };
}
