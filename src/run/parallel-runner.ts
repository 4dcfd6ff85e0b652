/**
 * Data-parallel masks: every worker holds the model, a batch is shared out over them, and only masks, gradients
 * and scores travel, to processes and other machines also what is kept about the prompts. Who computes what depends on the prompts and
 * the number of workers alone, and sums are taken in a fixed order, so that two runs agree to the last bit.
 */
import { emptyScores, type PromptScores, setScores } from '../evaluate/prompt-scores.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Masking } from '../forward/masking-rules.js';
import type { Passes } from '../forward/passes.js';
import { batchesByLength } from '../forward/passes.js';
import type { Objective } from '../masks/objective.js';
import {
  emptyPairs,
  emptyPart,
  type FilledPairs,
  filledWhole,
  type ReadyPairs,
  readyPairs,
  readyPart,
} from '../pairs/pair-data.js';
import { detached, type PairContents, received } from '../pairs/sent-pairs.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import type { LongCall } from '../progress.js';
import type { MaskRunner, RunnablePairs } from './mask-runner.js';
import type {
  ConductanceJob,
  ContentsJob,
  FillJob,
  MaskJob,
  ModelJob,
  ObjectiveJob,
  PairsJob,
  ScoreJob,
  WorkerModel,
} from './mask-worker.js';

export interface ParallelOptions extends LongCall {
  model: WorkerModel;
  masking: Masking;
  /** Opens the workers, whose entry is this file below dist/. */
  openPool: (file: string) => WorkerPool | Promise<WorkerPool>;
  passes: Passes;
}

/** Opens the workers, each of which loads the model. Close it when done. */
export async function openParallelRunner({
  model,
  masking,
  openPool,
  passes,
  onProgress,
  signal,
}: ParallelOptions): Promise<MaskRunner> {
  const pool = await openPool('src/run/mask-worker.js');
  const { workers } = pool;
  onProgress?.({ stage: 'load', done: 0, total: workers });
  // As many jobs as workers: each takes one and loads.
  const loads = Array.from({ length: workers }, () =>
    pool.run<Float32Array>('sigma', { model, passes } satisfies ModelJob, signal),
  );
  const [sigma] = await Promise.all(loads).catch(async (error) => {
    await pool.close();
    throw error;
  });
  onProgress?.({ stage: 'load', done: workers, total: workers });
  return {
    layout: masking.layout,
    sigma: sigma!,
    workers,
    async prepare(pairs, { onProgress, signal, ...options }) {
      const room = emptyPairs(masking, pairs, { ...options, keepPast: passes.keepPast });
      const parts = await inBatches(pairs, pool, passes, { onProgress, signal }, 'prepare', (batch) =>
        fill(pool, masking, { model, passes, room: emptyPart(room, batch) }, signal),
      );
      return runnable(pool, masking, { model, passes }, readyPairs(masking, filledWhole(room, parts)));
    },
    close: () => pool.close(),
  };
}

/** Has a worker run the unmasked model on the job's pairs: a thread fills their room, a process sends back what goes there. */
async function fill(
  pool: WorkerPool,
  masking: Masking,
  job: FillJob,
  signal?: AbortSignal,
): Promise<FilledPairs> {
  const { room, ...base } = job;
  if (pool.sharesMemory) {
    await pool.run('fill', job, signal);
    return { ...room, filled: true };
  }
  const { pairs, replacement } = room;
  const wanted: ContentsJob = { ...base, pairs, replacement };
  return received(masking, room, await pool.run<PairContents>('contents', wanted, signal));
}

function runnable(pool: WorkerPool, masking: Masking, base: ModelJob, data: ReadyPairs): RunnablePairs {
  const some = (indices: readonly number[]) => {
    const chosen = readyPart(data, indices);
    return pool.sharesMemory ? chosen : detached(masking, chosen);
  };
  const scoreEach: RunnablePairs['scoreEach'] = async (all, call = {}, against) => {
    const scores = all.map(() => emptyScores(data.pairs.length));
    await inBatches(data.pairs, pool, base.passes, call, 'evaluate', async (batch) => {
      const job: ScoreJob = { ...base, data: some(batch), all, against };
      const parts = await pool.run<PromptScores[]>('scores', job, call.signal);
      parts.forEach((part, at) => setScores(scores[at]!, batch, part));
    });
    return scores;
  };
  return {
    length: data.pairs.length,
    some: (indices) => runnable(pool, masking, base, readyPart(data, indices)),
    async objective(indices, masks, loss, { signal } = {}) {
      const lengths = indices.map((index) => data.pairs[index]!.clean.length);
      const shares = sharesByLength(lengths, pool.workers);
      const parts = await Promise.all(
        shares.map((share) => {
          const members = share.map((at) => indices[at]!);
          const job: ObjectiveJob = { ...base, data: some(members), masks, loss };
          return pool.run<Objective>('gradient', job, signal);
        }),
      );
      return joined(
        parts,
        shares.map((share) => share.length / indices.length),
      );
    },
    async kl(masks, call = {}) {
      // Added in a fixed order, whichever worker is done first: otherwise two runs would differ in their last bits.
      const sums = await inBatches(data.pairs, pool, base.passes, call, 'validate', (batch) => {
        const job: MaskJob = { ...base, data: some(batch), masks };
        return pool.run<number>('kl', job, call.signal);
      });
      return sums.reduce((total, part) => total + part, 0) / data.pairs.length;
    },
    scoreEach,
    score: async (masks, call, against) => (await scoreEach([masks], call, against))[0]!,
    async conductance(loss, points, call = {}) {
      const { length: total } = data.pairs;
      const parts = await inBatches(data.pairs, pool, base.passes, call, 'conductance', (batch) => {
        const job: ConductanceJob = { ...base, data: some(batch), loss, points, total };
        return pool.run<Float32Array>('conductance', job, call.signal);
      });
      return added(parts);
    },
    async differences(call = {}) {
      const parts = await inBatches(data.pairs, pool, base.passes, call, 'differences', (batch) => {
        const job: PairsJob = { ...base, data: some(batch) };
        return pool.run<Float32Array>('differences', job, call.signal);
      });
      return added(parts);
    },
  };
}

function added(parts: readonly Float32Array[]): Float32Array {
  return parts.reduce((sums, part) => sums.map((sum, at) => sum + part[at]!));
}

/** Mean of the parts, by weight. */
function joined(parts: readonly Objective[], weights: readonly number[]): Objective {
  const gradient = new Float32Array(parts[0]!.gradient.length);
  parts.forEach((part, at) => {
    for (let i = 0; i < gradient.length; i++) gradient[i]! += weights[at]! * part.gradient[i]!;
  });
  const mean = (of: (part: Objective) => number) =>
    parts.reduce((sum, part, at) => sum + weights[at]! * of(part), 0);
  return { kl: mean(({ kl }) => kl), loss: mean(({ loss }) => loss), gradient };
}

/**
 * All pairs in batches of similar length, at least one for each worker; workers take the next as they get free.
 * @returns what `work` returns, batch after batch
 */
async function inBatches<T>(
  pairs: readonly TokenPair[],
  { workers }: WorkerPool,
  { forward }: Passes,
  { onProgress }: LongCall,
  stage: string,
  work: (batch: number[]) => Promise<T>,
): Promise<T[]> {
  const lengths = pairs.map(({ clean }) => clean.length);
  const total = pairs.length;
  let done = 0;
  onProgress?.({ stage, done, total });
  const batches = sharesByLength(lengths, workers).flatMap((share) =>
    batchesByLength(
      share.map((index) => lengths[index]!),
      forward,
    ).map((batch) => batch.map((at) => share[at]!)),
  );
  const results: T[] = [];
  // Each worker's loop takes the next one, so that no more jobs are made up at a time than are underway.
  const queue = batches.entries();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (const [at, batch] of queue) {
        results[at] = await work(batch);
        done += batch.length;
        onProgress?.({ stage, done, total });
      }
    }),
  );
  return results;
}

/** Cuts prompts into at most `count` shares of about equal work, each of prompts of similar length; none is empty. */
export function sharesByLength(lengths: readonly number[], count: number): number[][] {
  const order = lengths.map((_, index) => index).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const shares: number[][] = Array.from({ length: count }, () => []);
  let before = 0;
  for (const index of order) {
    // By the middle of the prompt, so that a share is at most half a prompt too large or too small.
    const share = Math.floor((count * (before + lengths[index]! / 2)) / total);
    shares[Math.min(share, count - 1)]!.push(index);
    before += lengths[index]!;
  }
  return shares.filter((share) => share.length > 0);
}
